"""A locked database and a full disk: a worker waits and says so, a command ends in one line, nothing is lost."""

import sqlite3
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlmodel import Session, select

from memfactory_core.cli.main import main
from memfactory_core.config import load
from memfactory_core.errors import RunError
from memfactory_core.runs import database, disk, examples, jobs, recording, worker
from memfactory_core.runs.ending import cause_in_words
from memfactory_core.runs.tables import EpisodeRow, Metric
from memfactory_core.runs.worker import work
from tests.processes import python

SCRIPTED = ["mode=evaluate", "policy=scripted", "evaluation.examples=6", "evaluation.samples=1"]


def make(lab):
    return jobs.create(lab, load("memagent-tiny", SCRIPTED))


@contextmanager
def locked():
    """The database's write lock in other hands; `release` lets it go."""
    held = sqlite3.connect(jobs.root() / "memfactory.db", check_same_thread=False)
    held.execute("BEGIN IMMEDIATE")
    try:
        yield held
    finally:
        held.close()


@contextmanager
def locked_for(seconds):
    with locked() as held:
        release = threading.Timer(seconds, held.rollback)
        release.start()
        yield
        release.join()


@pytest.mark.parametrize("seconds", [4, pytest.param(14, marks=pytest.mark.slow)])
def test_a_worker_waits_for_a_lock_with_words_and_loses_nothing(lab, capsys, seconds):
    class Locked(worker.Work):
        def evaluate(self, *arguments):
            with locked_for(seconds):
                super().evaluate(*arguments)

    run = make(lab)
    Locked(lab, run).carry_out()
    done = database.get_run(lab, run.id)
    assert (done.state, done.reason) == ("finished", "")
    with Session(lab) as session:
        assert len(session.exec(select(EpisodeRow)).all()) == 12
    said = capsys.readouterr().out
    assert "the database is locked by another process; waiting" in said
    assert "s; going on" in said


def test_a_worker_that_must_end_names_the_cause(lab, monkeypatch, capsys):
    class Locked(worker.Work):
        def evaluate(self, *arguments):
            with locked():
                super().evaluate(*arguments)

        def _end(self, *arguments):
            with locked():
                super()._end(*arguments)

    monkeypatch.setattr(worker, "PATIENCE", 0.5)
    run = make(lab)
    Locked(lab, run).carry_out()
    said = capsys.readouterr().out
    assert said.splitlines()[-1].startswith("error: the database is locked by another process")
    assert database.get_run(lab, run.id).state == "running", "it could not be written"
    (Path(run.folder) / "log.txt").write_text(said)
    database.update_run(lab, run.id, born=1.0)  # as if this process had ended
    jobs.reap(lab)
    ended = database.get_run(lab, run.id)
    assert ended.state == "failed"
    assert ended.reason.startswith("the database is locked by another process (waited ")


@pytest.fixture
def quota(lab):
    """Lets the database grow by `pages` at most while `quota.pages` is set, as on a disk that is full."""

    class Quota:
        pages = None

    @event.listens_for(lab, "checkout")
    def _limit(connection, *_):
        most = 2**30
        if Quota.pages is not None:
            most = connection.execute("PRAGMA page_count").fetchone()[0] + Quota.pages
        connection.execute(f"PRAGMA max_page_count={most}")

    return Quota


def test_a_full_disk_is_waited_for(lab, quota, capsys):
    points = {f"{'x' * 100}{number}": 0.5 for number in range(400)}
    patient = lab.execution_options(patience=30.0, say=print)
    quota.pages = 0
    release = threading.Timer(1.5, setattr, (quota, "pages", None))
    release.start()
    recording.save_metrics(patient, "r", 1, points)
    release.join()
    assert "the database cannot grow, the disk is full; waiting" in capsys.readouterr().out
    with Session(lab) as session:
        assert len(session.exec(select(Metric)).all()) == 400


def test_a_full_disk_that_stays_full_is_named_and_half_a_write_is_none(lab, quota):
    quota.pages = 0
    hasty = lab.execution_options(patience=0.3)
    points = {f"{'x' * 100}{number}": 0.5 for number in range(400)}
    with pytest.raises(database.Busy, match="cannot grow, the disk is full"):
        recording.save_metrics(hasty, "r", 1, points)
    quota.pages = None
    with Session(lab) as session:
        assert session.exec(select(Metric)).all() == []


def test_files_are_written_whole_or_not_at_all(lab, tmp_path):
    path = tmp_path / "run.json"
    disk.write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        disk.write_json(path, {"a": object()})
    assert path.read_text() == '{\n  "a": 1\n}'
    assert list(tmp_path.glob("*.part")) == []

    def fill():
        with open("/dev/full", "w") as full:
            full.write("x")

    with pytest.raises(database.Busy, match="the disk is full"):
        database.patiently(lab.execution_options(patience=0.3), fill)


def test_a_full_disk_is_named_whatever_the_library_says(tmp_path):
    error = RuntimeError("[enforce fail at inline_container.cc] . PytorchStreamWriter failed")
    assert cause_in_words(error, tmp_path) == f"RuntimeError: {error}"
    full = RuntimeError("I/O error: No space left on device (os error 28)")
    assert "is full: free space, then resume" in cause_in_words(full, tmp_path)
    with pytest.raises(OSError, match="No space left"):
        disk.require_room(tmp_path, 10**18)


def test_a_command_on_a_locked_database_is_one_line(lab, monkeypatch, capsys):
    run = make(lab)
    database.update_run(lab, run.id, state="lost")
    monkeypatch.setattr(database, "PATIENCE", 0.5)
    with locked():
        monkeypatch.setattr(sys, "argv", ["memfactory", "ls"])
        with pytest.raises(SystemExit) as ended:
            main()
        assert (ended.value.code, capsys.readouterr().err) == (0, ""), "reading needs no lock"
        for words in (["resume", run.id], ["train", "memagent-tiny"]):
            monkeypatch.setattr(sys, "argv", ["memfactory", *words])
            with pytest.raises(SystemExit) as ended:
                main()
            said = capsys.readouterr()
            assert ended.value.code == 2
            assert said.err.startswith("memfactory: the database is locked by another process")
            assert said.err.count("\n") == 1
    assert database.get_run(lab, run.id).state == "lost"


BEGIN = """
import sys, time
from memfactory_core.runs import database, examples, jobs
time.sleep(max(0, float(sys.argv[1]) - time.time()))
engine = database.connect(jobs.database_url())
examples.ensure(engine)
print(len(database.list_runs(engine)))
"""


@pytest.mark.slow
def test_first_starts_at_once_on_an_empty_folder_do_not_race(tmp_path):
    moment, runs = str(time.time() + 3), tmp_path / "runs"
    with ThreadPoolExecutor(5) as shells:
        begun = [shells.submit(python, "-c", BEGIN, moment, MEMFACTORY_RUNS=runs) for _ in range(5)]
    ends = [(shell.result().stdout, shell.result().stderr) for shell in begun]
    assert ends == [(f"{len(examples.FOLDERS)}\n", "")] * 5


def test_a_runs_folder_may_have_a_question_mark_in_its_name(tmp_path, monkeypatch):
    monkeypatch.delenv("MEMFACTORY_DB", raising=False)
    monkeypatch.setenv("MEMFACTORY_RUNS", str(tmp_path / "why? #1 100%"))
    engine = database.connect(jobs.database_url())
    run = make(engine)
    assert work(engine, run.id).state == "finished"
    assert (tmp_path / "why? #1 100%" / "memfactory.db").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["why? #1 100%"]


def test_an_older_database_gets_new_columns_with_their_values(lab):
    run = make(lab)
    with lab.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE run DROP COLUMN seconds")
        connection.exec_driver_sql("DROP TABLE alembic_version")  # older ones had no number
    again = database.connect(jobs.database_url())
    assert database.get_run(again, run.id).seconds == 0.0


def test_a_run_that_is_not_there_is_named_even_where_it_is_no_text(lab):
    with pytest.raises(RunError, match="no run"):
        database.get_run(lab, "\udcff")
