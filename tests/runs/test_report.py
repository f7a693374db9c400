"""What the command line prints of a run: the scores with the sampling that they were measured under."""

import json

import pytest
from typer.testing import CliRunner

from memfactory_core.cli.main import app
from memfactory_core.cli.report import print_table, report
from memfactory_core.config import load
from memfactory_core.runs import database, examples, jobs

SCORES = {
    "before": {},
    "after": {"greedy/exact_match": {"mean": 0.5, "low": 0.4, "high": 0.6, "n": 9}},
}


def shown(lab, capsys, recipe, *settings):
    run = jobs.create(lab, load(recipe, settings))
    run = database.update_run(lab, run.id, state="finished", results=json.dumps(SCORES))
    print_table(run)
    return capsys.readouterr().out, report(run)["sampling"]


@pytest.mark.parametrize(
    ("recipe", "settings", "line", "record"),
    [
        ("memagent-tiny", ["policy.min_p=0.05"], "sampling: T 1, min-p 0.05", (1.0, 0.05)),
        ("memagent-tiny", ["policy.min_p=0"], "sampling: T 1, min-p 0\n", (1.0, 0.0)),
        ("memagent-qwen3-lora", [], "sampling: T 1\n", (1.0, None)),
    ],
)
def test_a_table_says_the_sampling(lab, capsys, recipe, settings, line, record):
    if "qwen3" in recipe:
        settings = [*settings, "task=needle", "evaluation.task=needle"]
    printed, sampling = shown(lab, capsys, recipe, *settings)
    assert line in printed
    assert (sampling["temperature"], sampling.get("min_p")) == record


def test_programs_have_no_sampling_and_roles_are_named(lab, capsys):
    printed, sampling = shown(lab, capsys, "factconsolidation-scripted", "task=needle")
    assert "sampling" not in printed and sampling is None
    roles = ["paradigm.trains=memory", "roles.answer=start"]
    printed, _ = shown(lab, capsys, "memory-r1-tiny", *roles)
    assert "role answer: a frozen copy of the starting weights" in printed


def test_the_stages_of_a_training_are_told_under_its_table_and_before_its_start(lab, capsys):
    stage = (
        'training.stages=[{"steps": 28, "task": {"chunks": 1, "facts_per_chunk": 2, "near": 0.0}, '
        '"paradigm": {"store": {"budget": 32}, "updater": {"too_long": "cut"}}}]'
    )
    printed, _ = shown(lab, capsys, "memagent-tiny", stage)
    told = "steps 1 to 28: chunks 1, facts per chunk 2, near 0.0, store budget 32, updater too long cut"
    assert told in printed and "steps 29 to 80: the task as it stands" in printed
    planned = CliRunner().invoke(app, ["train", "memagent-tiny", "--dry-run", "--set", stage])
    assert planned.exit_code == 0 and told in planned.output
    printed, _ = shown(lab, capsys, "memagent-tiny")
    assert "stages" not in printed


@pytest.fixture(scope="module")
def brought(tmp_path_factory):
    """The example runs, brought into a lab once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMFACTORY_RUNS", str(tmp_path_factory.mktemp("examples") / "runs"))
        patch.delenv("MEMFACTORY_DB", raising=False)
        yield examples.ensure(database.connect(jobs.database_url()))


@pytest.mark.slow
def test_a_trained_policy_is_measured_without_the_cut(brought):
    trained = brought[0]
    small = ["evaluation.examples=2", "evaluation.samples=2", "policy.min_p=0"]
    chosen = [part for setting in small for part in ("--set", setting)]
    done = CliRunner().invoke(app, ["eval", trained.id, *chosen, "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["sampling"] == {"temperature": 1.0, "min_p": 0.0}
    assert told["config"]["weights"] == trained.id
    assert told["scores"]["after"]["sampled/exact_match"]["n"] == 2


def test_a_comparison_says_what_each_was_measured_under(brought):
    run = brought[0]
    done = CliRunner().invoke(app, ["compare", run.id, run.id])
    assert done.exit_code == 0, done.output
    cut = report(run)["sampling"]["min_p"]
    assert f"first: sampling: T 1, min-p {cut:g}" in done.output
    assert f"second: sampling: T 1, min-p {cut:g}" in done.output
