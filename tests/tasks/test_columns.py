"""A data file is looked at before it is used: columns, first records, likely columns, errors with their line."""

import json

import pytest

from memfactory_core.component import kinds
from memfactory_core.errors import ConfigError
from memfactory_core.tasks.columns import Overview, guess_columns, look_into, named_columns
from memfactory_core.tasks.jsonl import AnyFile


def test_columns_of_all_records_and_of_tables_in_them(tmp_path):
    path = tmp_path / "a.jsonl"
    rows = [
        {"text": "x", "about": {"id": 1}},
        {"text": "y", "about": {"id": 2}, "query": "q", "output": "o"},
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    seen = look_into(str(path), 1)
    assert seen.columns == ("text", "about", "about.id", "query", "output")
    assert seen.records == 2 and seen.first == (rows[0],)
    assert guess_columns(seen) == {
        "context": "text", "question": "query", "answers": "output", "evidence": "", "category": "",
        "name": "about.id",
    }  # fmt: skip


def test_guessed_columns_read_the_file(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        "Passage,Input,Answer\nThe pet of Bako is Zimo.,What is the pet of Bako?,Zimo\n"
    )
    guessed = {
        name: column for name, column in guess_columns(look_into(str(path))).items() if column
    }
    assert guessed == {"context": "Passage", "question": "Input", "answers": "Answer"}
    (example,) = AnyFile(path=str(path), **guessed).examples(1, 0)
    assert (example.question, example.answers) == ("What is the pet of Bako?", ("Zimo",))


def test_columns_of_unknown_names_are_guessed_by_what_stands_in_them():
    rows = [
        {"nr": n, "Dokument": f"{name} lives in {city}. It rained.", "Frage": f"Where is {name}?", "Ort": city}
        for n, (name, city) in enumerate([("Ann", "Lisbon"), ("Ben", "Oslo"), ("Eve", "Rome")])
    ]  # fmt: skip
    seen = Overview(columns=tuple(rows[0]), records=3, first=tuple(rows))
    guessed = guess_columns(seen)
    assert [guessed[name] for name in ("context", "question", "answers")] == [
        "Dokument", "Frage", "Ort"
    ]  # fmt: skip
    empty = seen.model_copy(update={"first": tuple(dict.fromkeys(row, "") for row in rows)})
    assert not any(guess_columns(empty).values())


def test_one_column_is_not_guessed_twice():
    guessed = guess_columns(Overview(columns=("input", "output"), records=0, first=()))
    assert (
        guessed["context"] == "input"
        and guessed["question"] == ""
        and guessed["answers"] == "output"
    )


def test_only_the_task_that_names_columns_has_a_mapping():
    assert named_columns(kinds("tasks")["jsonl"]) == [
        "context", "question", "answers", "evidence", "category", "name"
    ]  # fmt: skip
    assert all(not named_columns(task) for kind, task in kinds("tasks").items() if kind != "jsonl")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", '{"a": 1}\n{"a": \n', "line 2: is not JSON"),
        ("a.csv", "a,b\n1,2\n3\n", "line 3: expected 2 columns"),
        ("a.json", "[1]", "record 1: expected a table of fields"),
        ("a.jsonl", "", "holds no records"),
        ("a.parquet", "no", "is not a parquet file"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(name, content, said, tmp_path):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ConfigError, match=said):
        look_into(str(path))
