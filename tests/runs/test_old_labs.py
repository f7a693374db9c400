"""Labs of versions 0.1.0 and 0.2.0, moved to another folder: their runs open, answer and go on."""

import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from memfactory_core.cli.main import app
from memfactory_core.config import build
from memfactory_core.episode import run_episodes
from memfactory_core.runs import chats, database, jobs
from memfactory_core.runs.recording import recorded_episodes
from memfactory_core.runs.weights import start_weights, trained_policy
from memfactory_core.runs.worker import work

DATA = Path(__file__).parents[1] / "data"


def unpack(version, place, monkeypatch):
    """The engine of the unpacked lab; its model lies beside the runs, as its settings say."""
    with tarfile.open(DATA / f"lab-{version}.tar.gz") as archive:
        archive.extractall(place, filter="data")
    monkeypatch.setenv("MEMFACTORY_RUNS", str(place / "runs"))
    monkeypatch.delenv("MEMFACTORY_DB", raising=False)
    monkeypatch.chdir(place)
    return database.connect(jobs.database_url())


@pytest.fixture
def old(tmp_path, monkeypatch):
    return unpack("0.1.0", tmp_path, monkeypatch)


def run_named(engine, name):
    (run,) = (run for run in database.list_runs(engine) if run.name == name)
    return run


def test_every_run_opens_from_its_new_place_and_shows(old, tmp_path):
    runs = database.list_runs(old)
    assert {run.name: run.state for run in runs} == {
        "Old finished": "finished", "Old stopped": "stopped", "Old decisions": "finished",
    }  # fmt: skip
    for run in runs:
        assert Path(run.folder) == tmp_path / "runs" / run.id
        build(run.settings, run.name)
        shown = CliRunner().invoke(app, ["show", run.id])
        assert shown.exit_code == 0 and run.name in shown.output, shown.output
    assert "role" not in CliRunner().invoke(app, ["show", runs[0].id]).output
    listed = CliRunner().invoke(app, ["ls"])
    assert listed.exit_code == 0 and listed.output.count("Old ") == 3


def test_its_episodes_are_read(old):
    run = run_named(old, "Old decisions")
    episodes = list(recorded_episodes(old, run.id, "after/greedy"))
    assert len(episodes) == 6
    turns = [turn for episode in episodes for turn in episode.turns]
    assert turns and all(turn.completion.policy is None for turn in turns)


def test_the_trained_policy_of_the_finished_run_answers(old):
    run = run_named(old, "Old finished")
    config = build(run.settings, run.name)
    sampler = config.load_policies(trained_policy(run, config), start_weights(old, config))
    (episode,) = run_episodes(config.paradigm, sampler, config.task.examples(1, 3), 0.0)
    assert episode.stop_reason == "answered" and episode.turns


def test_the_stopped_run_goes_on_to_its_end(old):
    """Its checkpoints say nothing about the sampler; they were written before that was kept."""
    run = run_named(old, "Old stopped")
    assert (run.step, run.steps) == (2, 4)
    done = work(old, run.id)
    assert (done.state, done.reason, done.step) == ("finished", "", 4)
    assert set(done.summary) == {"before", "after"}
    steps = {e.group_id.split("-")[0] for e in recorded_episodes(old, run.id, "train")}
    assert steps == {"1", "2", "3", "4"}


def test_its_chat_is_kept_and_its_agent_talks(old):
    from app.chat.agents import find_agent, samplers
    from memfactory_core.talk.talk import Talk, talk_entries

    (kept,) = chats.recent(old)
    assert kept.agent == "Old finished" and chats.get(old, kept.id).events
    assert talk_entries(chats.get(old, kept.id)) == [], "a form of before, not a talk"
    agent = find_agent(f"run:{run_named(old, 'Old finished').id}")
    talk = Talk(agent.label, agent.id, agent.config, samplers.get(agent))
    *_, last = talk.say("The pet of Bako is Zimo. What is the pet of Bako?")
    assert last.answer is not None and not last.note


def test_a_lab_of_version_0_2_0_opens_and_goes_on(tmp_path, monkeypatch):
    engine = unpack("0.2.0", tmp_path, monkeypatch)
    assert {run.name: run.state for run in database.list_runs(engine)} == {
        "Newer finished": "finished", "Newer stopped": "stopped", "Newer decisions": "finished",
    }  # fmt: skip
    finished = run_named(engine, "Newer finished")
    assert Path(finished.folder) == tmp_path / "runs" / finished.id
    config = build(finished.settings, finished.name)
    sampler = config.load_policies(trained_policy(finished, config), start_weights(engine, config))
    (episode,) = run_episodes(config.paradigm, sampler, config.task.examples(1, 3), 0.0)
    assert episode.stop_reason == "answered"
    assert len(list(recorded_episodes(engine, finished.id, "train"))) == 4
    (kept,) = chats.recent(engine)
    assert chats.get(engine, kept.id).events
    stopped = run_named(engine, "Newer stopped")
    done = work(engine, stopped.id)
    assert (done.state, done.reason, done.step) == ("finished", "", 4)
