"""Evaluations planned from runs: the same held-out examples for trained, untrained and scripted; names; refusals; the
table of scores in every format."""

from __future__ import annotations

import csv
import io
import json

import pytest
from typer.testing import CliRunner

from memfactory_core.cli.main import app
from memfactory_core.cli.table import table_of
from memfactory_core.config import build, load
from memfactory_core.errors import ConfigError, RunError
from memfactory_core.runs import database, jobs
from memfactory_core.runs.evaluations import (
    UNTRAINED,
    evaluation_of,
    plan_evaluations,
    scripted,
)
from memfactory_core.runs.tables import Run
from memfactory_core.runs.weights import ancestors, start_weights
from memfactory_core.scoring.split import held_out_examples


def figures(mean, low=None, high=None, n=4, clusters=4):
    return {"mean": mean, "low": low, "high": high, "n": n, "clusters": clusters}


def make_run(lab, name="A run", results=None, recipe="memagent-tiny", **changes):
    made = jobs.create(lab, load(recipe, [f"name={json.dumps(name)}"]))
    (jobs.root() / made.id / "policy").mkdir()
    (jobs.root() / made.id / "policy" / "model.safetensors").touch()
    return database.update_run(
        lab, made.id, state="finished", results=json.dumps(results or {}), **changes
    )


def test_a_baseline_reads_the_same_held_out_examples_of_a_shared_file(lab, tmp_path):
    file = tmp_path / "mine.jsonl"
    records = [
        {"id": f"r{i}", "context": [f"Fact {i} is {i}."], "question": f"What is {i}?", "answer": str(i)}
        for i in range(20)
    ]  # fmt: skip
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    run = jobs.create(lab, load("memagent-tiny", ["task=jsonl", f"task.path={file}"]))
    held = {}
    for agent in ((), UNTRAINED, scripted("last")):
        config = evaluation_of(run, agent)
        examples = held_out_examples(config, *ancestors(lab, config))
        held[agent] = {example.id for example in examples}
    assert len(held[()]) == 4  # a fifth of the texts
    assert held[UNTRAINED] == held[()] == held[scripted("last")]


def test_untrained_is_what_the_run_itself_started_with(lab):
    first = make_run(lab)
    second = jobs.create(lab, load("memagent-tiny", [f"weights={first.id}"]))
    assert start_weights(lab, evaluation_of(first, UNTRAINED)) is None
    assert start_weights(lab, evaluation_of(second, UNTRAINED)) == jobs.root() / first.id / "policy"


def test_an_evaluation_of_an_evaluation_measures_the_same_weights(lab):
    trained = make_run(lab)
    measured = jobs.create(lab, evaluation_of(trained))
    again = evaluation_of(database.get_run(lab, measured.id), ["evaluation.examples=7"])
    assert again.weights == trained.id and again.evaluation.examples == 7
    assert start_weights(lab, again) == jobs.root() / trained.id / "policy"


@pytest.mark.parametrize(
    ("assignments", "name"),
    [
        ([], "A run (evaluated)"),
        (UNTRAINED, "A run (untrained)"),
        (["weights_step=50"], "A run (step 50)"),
        (scripted("everything"), "A run (everything)"),
        ([*UNTRAINED, "evaluation.task=dialogue"], "A run (untrained on dialogue)"),
        (["name=Mine"], "Mine"),
    ],
)
def test_the_name_says_who_is_measured_on_what(lab, assignments, name):
    assert evaluation_of(make_run(lab), assignments).name == name


def test_a_long_name_is_cut_to_what_a_name_may_have(lab):
    name = evaluation_of(make_run(lab, "n" * 80), UNTRAINED).name
    assert len(name) == 80 and name.endswith("n (untrained)")


def test_a_baseline_that_two_runs_share_is_planned_once(lab):
    pair = [make_run(lab, "One"), make_run(lab, "Two")]
    planned = plan_evaluations(lab, pair, [(), UNTRAINED, scripted("last")])
    names = [one.config.name for one in planned]
    assert names == ["One (evaluated)", "One (untrained)", "One (last)", "Two (evaluated)"]
    on_top = jobs.create(lab, load("memagent-tiny", ["name=On top", f"weights={pair[0].id}"]))
    planned = plan_evaluations(lab, [pair[0], on_top], [UNTRAINED])
    assert len(planned) == 2, "what they started with is not the same"
    other = make_run(lab, "Three", recipe="memory-r1-tiny")
    assert len(plan_evaluations(lab, [pair[0], other], [UNTRAINED])) == 2


def test_what_is_refused_says_why_and_leaves_no_run(lab):
    run = jobs.create(lab, load("memagent-tiny"))
    gone = ("evaluation.task=jsonl", "evaluation.task.path=gone.jsonl")
    planned = plan_evaluations(lab, [run], [()], [(), gone])
    assert [one.config for one in planned] == [None, None]
    assert "no trained weights" in planned[0].refusal
    (one,) = plan_evaluations(lab, [run], [UNTRAINED], [gone])
    assert "gone.jsonl: cannot be read" in one.refusal
    assert len(database.list_runs(lab)) == 1


RESULTS = {
    "before": {"greedy/exact_match": figures(0.2, 0.1, 0.3), "greedy/memories": figures(1.5, 1.0, 2.0)},
    "after": {
        "greedy/exact_match": figures(0.8, 0.7, 0.9), "greedy/exact_match/pets": figures(1.0),
        "sampled/exact_match": figures(0.75, 0.6, 0.9), "greedy/reward": figures(0.7, 0.6, 0.8),
    },
}  # fmt: skip


def test_the_table_has_a_row_for_each_decoding_and_category(lab):
    first = make_run(lab, "One | 100% & more_", RESULTS)
    second = make_run(lab, "Two", {"after": RESULTS["before"]})
    rows = list(csv.DictReader(io.StringIO(table_of([first, second], "csv"))))
    places = [(r["name"], r["when"], r["decoding"], r["category"], r["exact_match"]) for r in rows]
    assert places == [
        ("One | 100% & more_", "before", "greedy", "all", "0.2"),
        ("One | 100% & more_", "after", "greedy", "all", "0.8"),
        ("One | 100% & more_", "after", "greedy", "pets", "1.0"),
        ("One | 100% & more_", "after", "avg@4", "all", "0.75"),
        ("Two", "after", "greedy", "all", "0.2"),
    ]
    assert rows[2]["exact_match_low"] == "" and rows[1]["reward"] == "0.7"
    loaded = json.loads(table_of([first, second], "json"))["rows"]
    assert loaded[1]["scores"]["exact_match"] == figures(0.8, 0.7, 0.9)
    assert loaded[4]["scores"]["reward"] is None


def test_markdown_and_latex_say_figures_in_percent_and_escape_names(lab):
    run = make_run(lab, "One | 100% & more_", RESULTS)
    markdown = table_of([run], "markdown", ["exact_match", "memories"], categories=False)
    assert (
        "| One \\| 100% & more_ | after | needle | greedy | 4 | 80.0 [70.0, 90.0] | - |" in markdown
    )
    assert "1.5 [1.0, 2.0]" in markdown and "interval" in markdown
    latex = table_of([run], "latex", ["exact_match"])
    assert (
        r"One | 100\% \& more\_ & after & needle & greedy & pets & 4 & 100.0 [no interval] \\"
        in latex
    )
    assert latex.count(r"\\") == 5 and r"\begin{tabular}{lllllll}" in latex


def test_the_command_prints_the_table_and_refuses_what_is_not_there(lab):
    run, empty = make_run(lab, "One", RESULTS), make_run(lab, "Empty")
    done = CliRunner().invoke(app, ["table", run.id, empty.id, "--scores", "exact_match"])
    assert done.exit_code == 0 and "80.0 [70.0, 90.0]" in done.output and "Empty" not in done.output
    with pytest.raises(ConfigError, match="no score called 'f2' here; known: exact_match"):
        table_of([run], "text", ["f2"])
    with pytest.raises(RunError, match="none of these runs has scores yet"):
        table_of([empty], "text")


def test_retrievers_stand_in_the_table_too():
    results = {
        "after": {"bm25/all/recall@5": figures(0.5, 0.4, 0.6), "bm25/1/recall@5": figures(0.3)}
    }
    config = load("locomo-retrieval", ["task.path=x.json"]).dump()
    run = Run(
        id="r", name="R", mode="retrieve", state="finished", folder="", config=json.dumps(config),
        created=0.0, token="", results=json.dumps(results),
    )  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(table_of([run], "csv"))))
    assert [(r["decoding"], r["category"], r["recall@5"]) for r in rows] == [
        ("bm25", "all", "0.5"), ("bm25", "1", "0.3"),
    ]  # fmt: skip
    assert build(run.settings).mode == "retrieve" and rows[0]["task"] == "locomo, x.json"
