"""What pages and commands read is the same on a SQLite file and on a PostgreSQL server."""

import json

import pytest
from sqlmodel import Session, select
from typer.testing import CliRunner

from app.reads import causes, curves, diagnosis, episodes, groups, memories, operations, runs, steps
from app.reads.engine import _open
from memfactory_core.cli.main import app
from memfactory_core.config import load
from memfactory_core.errors import RunError
from memfactory_core.runs import database, jobs, recording
from memfactory_core.runs.archive import export_run, import_run
from memfactory_core.runs.examples import FOLDERS
from memfactory_core.runs.incoming import bring_in
from memfactory_core.runs.retention import find_superseded
from memfactory_core.runs.tables import EpisodeRow, Metric
from tests.compared import compare_greedy
from tests.conftest import ON_BOTH
from tests.runs.test_chats import played

PHASES = ("train", "before/greedy", "after/greedy")
BUNDLE = next(folder for folder in FOLDERS if folder.name == "memory_r1")


def plain(value):
    """Values as JSON shows them; sums and means to nine digits, for the order of adding differs."""
    return json.loads(json.dumps(value, default=lambda one: getattr(one, "__dict__", str(one))),
                      parse_float=lambda text: float(f"{float(text):.9g}"))  # fmt: skip


def read_everything(engine, run_id):
    run = runs.find_run(run_id)
    found = {
        "runs": runs.count_runs(), "labels": runs.label_runs(), "listed": [r.id for r in runs.list_runs(5)],
        "phases": steps.list_phases(run_id), "operations": operations.count_operations(run_id),
        "knows": operations.knows_operations(run_id), "diagnosis": diagnosis.find_diagnosis(run),
        "curves": curves.read_curves(run_id, ["reward", "loss"]),
        "thinned": curves.read_curves(run_id, ["reward"], points=7),
        "compared": compare_greedy(engine, run, run),
    }  # fmt: skip
    for phase in PHASES:
        first, last = steps.find_step_range(run_id, phase)
        here = {
            "range": (first, last), "nearest": steps.find_nearest_step(run_id, phase, last - 1),
            "causes": causes.count_causes(run_id, phase),
            "episodes": episodes.count_episodes(run_id, phase),
            "between": episodes.count_episodes_between(run_id, phase, first, last),
            "groups": groups.list_groups(run_id, phase, last, 5, 1),
            "group ids": groups.list_group_ids(run_id, phase, last),
            "needs": sorted(map(repr, memories.list_needs(run_id, phase))),
            "unread": memories.count_memories(run_id, phase, unread=True),
            "lost": memories.count_needs(run_id, phase, were_lost=True),
        }  # fmt: skip
        for sort in episodes.EPISODE_SORTS:
            here[sort] = episodes.list_episodes(run_id, phase, last, sort, 5, 2)
        for cause in ("overwritten", "never_stored", "ignored"):
            here[cause] = causes.list_failures(run_id, phase, cause, (first, last), 5)
            here[f"{cause}, all"] = causes.count_failures(run_id, phase, cause, (first, last))
        group = here["group ids"][0]
        here["attempts"] = [row.id for row, _ in groups.list_attempts(run_id, phase, last, group)]
        here["rewards"] = groups.list_rewards(run_id, phase, last, group, 3)
        here["place"] = steps.find_place(run_id, here["attempts"][0])
        here["cause"] = groups.find_group_and_cause(run_id, here["attempts"][0])
        here["whole"] = len(list(recording.recorded_episodes(engine, run_id, phase, limit=50)))
        found[phase] = here
    return plain(found)


def opened(monkeypatch, tmp_path, name, address):
    """A lab with one example run in it."""
    monkeypatch.setenv("MEMFACTORY_RUNS", str(tmp_path / name))
    monkeypatch.setenv("MEMFACTORY_DB", address)
    monkeypatch.setattr("memfactory_core.runs.examples.FOLDERS", (BUNDLE,))
    _open.cache_clear()
    return _open(jobs.database_url())


def test_both_databases_give_the_same(server, tmp_path, monkeypatch):
    answers = []
    for name, address in (
        ("file", f"sqlite:///{tmp_path / 'lab.db'}"), ("server", server.new_database()),
    ):  # fmt: skip
        engine = opened(monkeypatch, tmp_path, name, address)
        (run,) = database.list_runs(engine)
        assert run.state == "finished" and import_run(engine, BUNDLE).id == run.id
        answers.append(read_everything(engine, run.id))
        assert find_superseded(engine, run.id, load("memagent-tiny"), tmp_path) == []
        shown = CliRunner().invoke(app, ["show", run.id])
        assert shown.exit_code == 0, shown.output
        answers[-1]["show"] = shown.output
        answers[-1]["bundle"] = sorted(
            path.name for path in export_run(engine, run, tmp_path / f"out-{name}").iterdir()
        )
    _open.cache_clear()
    assert answers[0]["train"]["causes"] and answers[0]["curves"]["reward"]
    for key in answers[0]:
        assert answers[0][key] == answers[1][key], key


@ON_BOTH
def test_a_model_may_say_what_a_server_does_not_store(lab):
    """PostgreSQL stores no NUL in a text."""
    (episode,) = played(1)
    said = episode.model_copy(update={"answer": "a\0b"})
    recording.save_episodes(lab, "r", "train", 1, [said])
    (kept,) = recording.recorded_episodes(lab, "r", "train")
    assert kept.answer == "a\0b", "the episode itself is whole"
    with Session(lab) as session:
        (answer,) = session.exec(select(EpisodeRow.answer))
    assert answer in ("a\0b", "a\ufffdb")


def test_a_number_that_a_server_does_not_store_is_refused_in_one_line(
    server, tmp_path, monkeypatch
):
    monkeypatch.setenv("MEMFACTORY_RUNS", str(tmp_path / "runs"))
    engine = database.connect(server.new_database())
    values = {
        "id": "import-1", "name": "x", "mode": "imported", "state": "finished", "config": "{}",
        "created": 0.0, "results": "{}",
    }  # fmt: skip
    point = {"run_id": "import-1", "name": "reward", "step": 2**40, "value": 1.0}
    with pytest.raises(RunError, match="a value that the database does not store") as refused:
        bring_in(engine, "the bundle", values, {Metric: [point]}, lambda place: None)
    assert "\n" not in str(refused.value) and database.list_runs(engine) == []
