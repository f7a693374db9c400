"""A user's own file by the names of its columns."""

from __future__ import annotations

import pytest

from memfactory_core.errors import ConfigError
from memfactory_core.rewards.answers import is_right
from memfactory_core.tasks.jsonl import AnyFile
from tests.tasks.records import ALL, PLAIN, check_evidence, write

ROWS = [
    {
        "text": "Ann has a dog.\n\nBen has a cat.",
        "q": "Who has a cat?",
        "a": "Ben",
        "why": "Ben has a cat.",
        "k": "x",
    },
    {"text": "It rains.", "q": "How many?", "a": 3, "why": "It rains.", "k": "y"},
]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv", "a.parquet"])
def test_any_file_by_the_names_of_its_columns(name, tmp_path):
    rows = [{**row, "a": str(row["a"])} for row in ROWS] if name == "a.parquet" else ROWS
    path = write(tmp_path, name, rows)
    task = AnyFile(
        path=path,
        context="text",
        question="q",
        answers="a",
        evidence="why",
        category="k",
        section=20,
    )
    first, second = task.examples(ALL, 0)
    assert first.observations == ("Ann has a dog.", "Ben has a cat.")
    assert first.evidence[0].observation == 1 and first.meta == {"category": "x"}
    assert second.answers == ("3",)
    assert check_evidence([first, second]) == 2


def test_any_file_with_lists_and_nested_columns(tmp_path):
    record = {"turns": ["One.", "Two."], "qa": {"q": "What?", "a": ["x", 1]}, "id": 7}
    path = write(tmp_path, "a.jsonl", [record])
    [example] = AnyFile(
        path=path, context="turns", question="qa.q", answers="qa.a", name="id"
    ).examples(1, 0)
    assert (example.id, example.observations, example.answers) == (
        "7",
        ("One.", "Two."),
        ("x", "1"),
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"context": "x"}\n\n{"context": \n', "line 3: is not JSON"),
        (
            "a.jsonl",
            b'{"context": "x", "question": "q", "answer": "a"}\n{"context": "x"}',
            "line 2, field 'question': is missing",
        ),
        ("a.json", b'[{"context": "x",}]', "is not JSON: .*line 1"),
        ("a.json", b"[]", "holds no records"),
        ("a.json", b'{"context": "\xff"}', "is not UTF-8"),
        ("a.csv", b"context,question,answer\nx,q\n", "line 2: expected 3 columns"),
        ("a.csv", b"context,question,answer\nx,q,a\nx,,a\n", "line 3, field 'question': is empty"),
        ("a.csv", b'context,question,answer\nx,"q\n', "line 2: is not CSV"),
        ("a.parquet", b"not parquet", "is not a parquet file"),
        ("a.txt", b"x", "expected a file that ends in .json"),
        ("a.jsonl", None, "cannot be read: No such file or directory; set the task's path"),
    ],
)
def test_a_broken_file_is_named_with_its_line(name, content, message, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=rf"{name}.*{message}") as refusal:
        AnyFile(path=str(tmp_path / name)).examples(ALL, 0)
    assert "\n" not in str(refusal.value)


def test_evidence_that_no_section_states_is_an_error(tmp_path):
    path = write(tmp_path, "a.json", [{**ROWS[0], "why": "Ben has a bird."}])
    task = AnyFile(path=path, context="text", question="q", answers="a", evidence="why")
    with pytest.raises(
        ConfigError, match="record 1, field 'why': no section states 'Ben has a bird.'"
    ):
        task.examples(ALL, 0)


@pytest.mark.parametrize("every", [True, False])
def test_all_answers_of_a_list_or_one_of_them(every, tmp_path):
    path = write(tmp_path, "a.jsonl", [PLAIN | {"answer": ["Ann", "Ben"]}])
    [example] = AnyFile(path=path, all_of=every).examples(1, 0)
    rights = [is_right(answer, example.questions[0]) for answer in ("Ben", "Ben and Ann")]
    assert rights == ([0.0, 1.0] if every else [1.0, 0.0])


def test_evidence_that_the_sections_cut_apart_is_explained(tmp_path):
    record = PLAIN | {"context": "Ann has a dog and Ben has a cat.", "why": "a dog and Ben has"}
    task = AnyFile(path=write(tmp_path, "a.jsonl", [record]), evidence="why", section=20)
    with pytest.raises(
        ConfigError, match="'a dog and Ben has' lies across two sections; set section"
    ):
        task.examples(1, 0)
