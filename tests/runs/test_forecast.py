"""Time and memory are measured on finished runs like the one that is planned, or not told."""

import json

import pytest
from typer.testing import CliRunner

from memfactory_core.cli.main import app
from memfactory_core.config import load
from memfactory_core.runs import database, jobs
from memfactory_core.runs.forecast import count_work, forecast

SMALL = ["training.steps=10", "evaluation.examples=20", "evaluation.samples=0"]


def finish(engine, recipe, seconds, *settings, **columns):
    config = load(recipe, [*SMALL, *settings])
    run = jobs.create(engine, config)
    ended = {"state": "finished", "started": 1000.0, "ended": 1000.0 + seconds, **columns}
    database.update_run(engine, run.id, **ended)
    return config


def test_nothing_is_told_where_nothing_was_measured(lab):
    finish(lab, "memory-r1-tiny", 100.0)
    told = forecast(lab, load("memagent-tiny"))
    assert told.seconds is None and told.memory is None
    assert told.in_words().startswith(
        "time and memory are not known: no finished run here is like it"
    )


def test_time_grows_with_the_episodes_of_runs_like_it(lab):
    small = finish(lab, "memagent-tiny", 100.0, peak_memory=2**30)
    assert count_work(small) == 2 * 20 + 10 * 12 * 8
    told = forecast(lab, small)
    assert told.seconds == pytest.approx(100.0) and told.memory == 2**30
    twice = load(
        "memagent-tiny", ["training.steps=20", "evaluation.examples=40", "evaluation.samples=0"]
    )
    assert forecast(lab, twice).seconds == pytest.approx(200.0)
    assert "about 3 min, up to 1.0 GiB of memory" in forecast(lab, twice).in_words()
    assert "1 finished run like it took on this lab's machine" in told.basis


def test_other_parts_another_model_or_mode_are_not_alike(lab):
    finish(lab, "memagent-tiny", 100.0)
    for other in (
        ["paradigm.retriever=recency"], ["paradigm.updater=crud"], ["policy=hf"], ["mode=evaluate"],
        ["task=dialogue"],
    ):  # fmt: skip
        assert forecast(lab, load("memagent-tiny", other)).seconds is None, other
    assert forecast(lab, load("memagent-tiny", ["training.learning_rate=1e-4"])).seconds
    finish(lab, "memagent-tiny", 100.0, "policy=hf")
    assert forecast(lab, load("memagent-tiny", ["policy=hf"])).seconds
    engine = ["policy=hf", "policy.engine=continuous"]
    assert forecast(lab, load("memagent-tiny", engine)).seconds is None, "another engine"


def test_runs_made_here_come_before_those_that_were_brought_in(lab):
    finish(lab, "memagent-tiny", 999.0, origin="elsewhere")
    assert "where they were made" in forecast(lab, load("memagent-tiny", SMALL)).basis
    finish(lab, "memagent-tiny", 50.0)
    assert forecast(lab, load("memagent-tiny", SMALL)).seconds == pytest.approx(50.0)


def test_the_shell_says_it_before_the_start(lab):
    finish(lab, "memagent-tiny", 100.0)
    dry = ["train", "memagent-tiny", "--dry-run", *(f"--set={one}" for one in SMALL)]
    said = CliRunner().invoke(app, dry)
    assert (
        said.exit_code == 0 and "about 2 min" in said.output and "ok  Data: made as" in said.output
    )
    values = json.loads(CliRunner().invoke(app, [*dry, "--json"]).output)
    assert values["forecast"]["seconds"] == pytest.approx(100.0)
    assert {check["name"] for check in values["checks"]} == {
        "Data",
        "Model",
        "Weights",
        "Device",
        "Disk",
    }
    refused = CliRunner().invoke(
        app, ["train", "hotpotqa-scripted", "--dry-run", "--set=task.path="]
    )
    assert refused.exit_code == 2 and "NO  Data: the task names no data file" in refused.output


def test_one_episode_is_played_from_the_shell_without_a_run(lab):
    settings = ["--set=mode=evaluate", "--set=policy=scripted", "--set=policy.strategy=clairvoyant"]
    said = CliRunner().invoke(app, ["play", "memagent-tiny", *settings])
    assert said.exit_code == 0, said.output
    assert "reward +1." in said.output and "read: " in said.output and "answer: " in said.output
    whole = CliRunner().invoke(app, ["play", "memagent-tiny", *settings, "--json"])
    assert json.loads(whole.output)["stop_reason"] == "answered"
    again = CliRunner().invoke(app, ["play", "memagent-tiny", *settings])
    assert again.output == said.output
    assert database.list_runs(lab) == []
