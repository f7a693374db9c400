"""A user's own file of each format needs its path and no more; real data where it is there, else a few records in
its form."""

import csv
import json
from pathlib import Path

import pytest
from sqlmodel import Session, select

from memfactory_core.cli.report import by_category, print_table
from memfactory_core.component import kinds
from memfactory_core.config import load
from memfactory_core.errors import ConfigError
from memfactory_core.runs import database, jobs
from memfactory_core.runs.tables import EpisodeRow
from memfactory_core.runs.worker import work
from memfactory_core.scoring.evaluate import summarize
from memfactory_core.tasks.data_file import read_entries
from memfactory_core.tasks.jsonl import AnyFile
from tests.processes import memfactory
from tests.tasks.records import ALL, DOCUMENTS, PLAIN, facts, hotpot, locomo, longmemeval, write

FILES = [
    ("locomo", "a.json", [locomo()]),
    ("hotpotqa", "a.json", [hotpot()] * 3),
    ("hotpotqa", "a.parquet", [hotpot()] * 3),
    ("longmemeval", "a.json", [longmemeval(), longmemeval(question_id="q2_abs")]),
    ("factconsolidation", "a.json", [facts()]),
    ("memagent_file", "a.json", [{"context": DOCUMENTS, "input": "What?", "answers": ["3"]}]),
    (
        "memagent_file",
        "a.parquet",
        [
            {
                "context": DOCUMENTS,
                "prompt": [{"role": "user", "content": "What?"}],
                "reward_model": {"ground_truth": ["3"]},
            }
        ],
    ),
    ("jsonl", "a.jsonl", [PLAIN]),
    ("jsonl", "a.json", [PLAIN]),
    ("jsonl", "a.csv", [PLAIN]),
    ("jsonl", "a.parquet", [PLAIN]),
]


@pytest.mark.parametrize(("kind", "name", "records"), FILES, ids=lambda x: str(x)[:20])
def test_kind_and_path_are_all_that_a_run_on_ones_own_file_needs(
    kind, name, records, lab, tmp_path
):
    if kind == "hotpotqa":  # a recipe's own kind keeps its settings: 50 documents
        settings = [f"task.path={write(tmp_path, name, records)}", "task.documents=3"]
    else:
        settings = [f"task.kind={kind}", f"task.path={write(tmp_path, name, records)}"]
    run = work(lab, jobs.create(lab, load("hotpotqa-scripted", settings)).id)
    assert (run.state, run.reason) == ("finished", "")
    assert run.summary["after"]["greedy/exact_match"]["n"] >= 1
    record = json.loads(open(f"{run.folder}/run.json").read())
    [digest] = record["files"].values()
    assert len(digest) == 64


@pytest.mark.parametrize(
    ("recipe", "file", "more"),
    [
        ("locomo-retrieval", "locomo/locomo6.json", ['retrieval.retrievers=["bm25"]']),
        ("rmm-linear-locomo", "locomo/locomo6.json", ["reranking.steps=5"]),
        ("hotpotqa-scripted", "hotpotqa/hotpot_dev_60.json", ["evaluation.examples=5"]),
        ("factconsolidation-scripted", "factconsolidation/conflict_resolution_small.json", []),
    ],
)
def test_a_recipe_for_real_data_needs_its_path_alone(recipe, file, more, lab, data):
    run = work(lab, jobs.create(lab, load(recipe, [f"task.path={data / file}", *more])).id)
    assert (run.state, run.reason) == ("finished", "")


def test_a_file_that_is_not_there_is_named_before_anything_runs(lab, tmp_path):
    for path in ("", str(tmp_path / "nothing.json"), str(tmp_path)):
        run = jobs.create(lab, load("hotpotqa-scripted", [f"task.path={path}"]))
        with pytest.raises(ConfigError, match="set its path to yours|cannot be read: No such file"):
            jobs.start(lab, run)
        failed = database.get_run(lab, run.id)
        assert failed.state == "failed" and "path" in failed.reason and failed.pid is None
    done = memfactory("train", "rmm-qwen3-lora", MEMFACTORY_RUNS=str(tmp_path / "runs"))
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "--set task.path=FILE" in done.stderr


def test_a_file_that_vanished_while_the_run_waited_is_named(lab, tmp_path):
    path = write(tmp_path, "a.json", [hotpot()])
    run = jobs.create(lab, load("hotpotqa-scripted", [f"task.path={path}"]))
    (tmp_path / "a.json").unlink()
    run = work(lab, run.id)
    assert run.state == "failed" and run.reason.startswith(f"{path}: cannot be read: No such file")


def test_a_conversation_is_played_once_for_all_its_questions(lab, data, capsys):
    settings = [
        "task.kind=locomo", f"task.path={data / 'locomo' / 'locomo6.json'}", "task.together=true",
        'task.conversations=["conv-30"]',
    ]  # fmt: skip
    run = work(lab, jobs.create(lab, load("hotpotqa-scripted", settings)).id)
    scores = run.summary["after"]
    assert scores["greedy/exact_match"]["n"] == 81 and scores["greedy/kept"]["n"] == 1
    with Session(lab) as session:
        [row] = session.exec(select(EpisodeRow)).all()
    episode = row.episode
    assert [turn.role for turn in episode.turns].count("answer") == 81
    assert len(episode.other_answers) == 80
    assert summarize([episode])["f1"] == scores["greedy/f1"]
    categories = [str(one.meta["category"]) for one in episode.example.single_questions]
    for category in set(categories):
        assert scores[f"greedy/f1/{category}"]["n"] == categories.count(category)
    assert {c for name, c in by_category(run.summary) if name == "f1"} == set(categories)
    print_table(run)
    assert "f1 of 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    "kind", ["hotpotqa", "locomo", "longmemeval", "factconsolidation", "memagent_file", "jsonl"]
)
def test_a_missing_file_is_one_clear_line(kind, tmp_path):
    path = str(tmp_path / "nothing.json")
    task = kinds("tasks")[kind](path=path)
    assert task.files() == [path]
    with pytest.raises(ConfigError, match=r"nothing\.json: cannot be read: No such file"):
        task.examples(1, 0)


# Answers and broken records


@pytest.mark.parametrize(
    ("given", "answers"),
    [
        (2023, ("2023",)), (2023.0, ("2023",)), (2.5, ("2.5",)), ("  x ", ("x",)), (True, ("True",)),
        (["a", 3, ""], ("a", "3")), ([float("nan"), "b"], ("b",)),
    ],
)  # fmt: skip
def test_answers_are_texts_numbers_or_lists_of_them(given, answers, tmp_path):
    path = write(tmp_path, "a.json", [PLAIN | {"answer": given}])
    [example] = AnyFile(path=path).examples(1, 0)
    assert example.answers == answers


@pytest.mark.parametrize("given", [None, "", [], [""], float("nan"), {}, [{"text": "x"}]])
def test_an_answer_that_is_missing_is_named(given, tmp_path):
    path = write(tmp_path, "a.json", [PLAIN, PLAIN | {"answer": given}])
    with pytest.raises(
        ConfigError, match=r"a\.json, record 2, field 'answer': (is empty|expected)"
    ):
        AnyFile(path=path).examples(ALL, 0)


@pytest.mark.parametrize(
    ("kind", "good", "bad", "message"),
    [
        (
            "jsonl",
            PLAIN,
            PLAIN | {"question": None},
            "field 'question': expected text, got nothing",
        ),
        (
            "memagent_file",
            {"context": "x", "input": "q", "answers": ["a"]},
            {"context": None, "input": "q", "answers": ["a"]},
            "field 'context': expected text, got nothing",
        ),
        (
            "hotpotqa",
            hotpot(),
            hotpot(supporting_facts={"title": ["Dune"], "sent_id": [0, 1]}),
            "field 'supporting_facts': 1 titles but 2 sentence numbers",
        ),
    ],
)
def test_a_broken_record_of_a_parquet_file_is_named(kind, good, bad, message, tmp_path):
    path = write(tmp_path, "broken.parquet", [good, bad])
    task = load("hotpotqa-scripted", [f"task.kind={kind}", f"task.path={path}"]).task
    if kind == "hotpotqa":
        task = task.model_copy(update={"documents": 3})
    with pytest.raises(ConfigError, match=rf"broken\.parquet, record 2, .*{message}"):
        task.examples(ALL, 0)


@pytest.mark.parametrize(
    "kind", ["locomo", "hotpotqa", "longmemeval", "factconsolidation", "memagent_file"]
)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'[{"a": 1},\n{"a": }]', "is not JSON: .*line 2"), (b"[]", "holds no records"),
        (b'["x"]', "record 1: expected a table of fields"), (b"[{}]", "record 1, field .*is missing"),
        (b'[{"a": "\xff"}]', "is not UTF-8"),
    ],
    ids=["json", "empty", "list", "fields", "bytes"],
)  # fmt: skip
def test_a_broken_file_of_any_kind_is_one_clear_line(kind, content, message, tmp_path):
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    task = load("hotpotqa-scripted", [f"task.kind={kind}", f"task.path={path}"]).task
    with pytest.raises(ConfigError, match=rf"broken\.json.*{message}") as refusal:
        task.examples(ALL, 0)
    assert "\n" not in str(refusal.value)


def test_a_cell_of_any_length_is_read(tmp_path):
    with open(tmp_path / "a.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["context"], ["word " * 100_000]])
    [entry] = read_entries(str(tmp_path / "a.csv"))
    assert len(entry.text("context")) == 499_999


def test_a_relative_path_is_that_of_the_place_where_the_command_was_typed(tmp_path):
    (tmp_path / "typed here").mkdir()
    path = write(tmp_path / "typed here", "mine.jsonl", [PLAIN, PLAIN | {"context": "Ben sings."}])
    settings = ["task.kind=jsonl", "task.path=mine.jsonl", "evaluation.samples=0"]
    done = memfactory(
        "eval", "memagent-tiny", "--json",
        *(part for setting in [*settings, "policy=scripted"] for part in ("--set", setting)),
        cwd=tmp_path / "typed here", MEMFACTORY_RUNS=tmp_path / "other" / "runs",
        PYTHONPATH=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["measured"]["task"] == "jsonl" and told["measured"]["files"] == [path]
    assert told["config"]["task"]["path"] == path and list(told["files"]) == [path]
    assert told["scores"]["after"]["greedy/exact_match"]["n"] == 2
