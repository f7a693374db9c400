"""The database's shape: an empty or an older database is brought up to date, once and whole; a newer one is refused."""

import sqlite3
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from memfactory_core.errors import RunError
from memfactory_core.explain.diagnosis import tally
from memfactory_core.runs import (
    chats,  # noqa: F401 - its table is one of the database's
    database,
    schema,
)
from memfactory_core.runs.diagnosis import count_run
from memfactory_core.runs.recording import recorded_episodes
from memfactory_core.runs.tables import Table
from tests.conftest import ON_BOTH

DATA = Path(__file__).parents[1] / "data"
OLD = ["0.1.0", "0.2.0"]
OPEN = "import sys; from memfactory_core.runs import database; database.connect(sys.argv[1])"


@pytest.fixture(params=OLD)
def old(request, tmp_path, monkeypatch):
    """The file of a database of each earlier version."""
    monkeypatch.setenv("MEMFACTORY_RUNS", str(tmp_path))
    file = tmp_path / "memfactory.db"
    with tarfile.open(DATA / f"lab-{request.param}.tar.gz") as archive:
        file.write_bytes(archive.extractfile("runs/memfactory.db").read())
    return file


def rows_of(file):
    """Every row of every table, with the columns of its own time."""
    connection = sqlite3.connect(file)
    connection.row_factory = sqlite3.Row
    names = [
        name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
    ]
    return {
        name: [dict(row) for row in connection.execute(f'SELECT * FROM "{name}"')] for name in names
    }


def url(file):
    return f"sqlite:///{file}"


def differences(engine):
    with engine.connect() as connection:
        return compare_metadata(MigrationContext.configure(connection), Table.metadata)


@ON_BOTH
def test_the_steps_lead_to_the_tables_of_today(lab):
    """Whoever changes tables.py writes a step: this fails until then."""
    assert differences(lab) == []
    assert schema.number_of(lab) == schema.newest()


def test_an_older_database_loses_nothing_and_gets_what_is_new(old):
    before = rows_of(old)
    engine = database.connect(url(old))
    assert differences(engine) == []
    after = rows_of(old)
    events = before.pop("event")
    counted = [row for row in after["tally"] if row["name"].startswith("wrote/")]
    after["tally"] = [row for row in after["tally"] if row not in counted]
    for table, rows in before.items():
        kept = [{name: row[name] for name in rows[0]} for row in after[table]] if rows else []
        assert sorted(map(repr, kept)) == sorted(map(repr, rows)), table
    assert {(row["seconds"], row["origin"]) for row in after["run"]} == {(0.0, "")}
    assert "event" not in after, "its rows stand in the episodes"
    assert events and {(e["episode_id"], e["seq"], e["kind"], e["action"]) for e in events} == {
        (episode.id, event.seq, event.kind, getattr(event, "action", None))
        for run in database.list_runs(engine)
        for phase in {row["phase"] for row in after["episode"] if row["run_id"] == run.id}
        for episode in recorded_episodes(engine, run.id, phase)
        for event in episode.events
    }
    assert sum(row["count"] for row in counted) == sum(e["action"] is not None for e in events)
    assert schema.number_of(engine) == schema.newest()


def test_runs_without_counts_are_counted(old):
    engine = database.connect(url(old))
    (run,) = (run for run in database.list_runs(engine) if run.name.endswith("decisions"))
    episodes = list(recorded_episodes(engine, run.id, "after/greedy"))
    assert count_run(engine, run, "after/greedy").tally == tally(episodes) != {}


def test_an_episode_that_cannot_be_read_does_not_keep_the_lab_shut(old):
    with sqlite3.connect(old) as connection:
        connection.execute("UPDATE episode SET body = x'6e6f' WHERE phase = 'train'")
    engine = database.connect(url(old))
    assert schema.number_of(engine) == schema.newest()


def test_an_older_database_is_copied_first(old):
    before = rows_of(old)
    database.connect(url(old))
    copies = list(old.parent.glob("*.before-*"))
    assert [copy.name for copy in copies] == [f"memfactory.db.before-{schema.newest()}"]
    assert rows_of(copies[0]) == before
    database.connect(url(old))
    assert list(old.parent.glob("*.before-*")) == copies


def test_an_empty_database_needs_no_copy(lab, tmp_path):
    assert list((tmp_path / "runs").glob("*.before-*")) == []


@ON_BOTH
def test_a_database_of_a_newer_version_is_refused_in_one_line(lab, capsys, monkeypatch):
    from memfactory_core.cli.main import main
    from memfactory_core.runs import jobs

    with lab.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    before = inspect(lab).get_table_names()
    with pytest.raises(RunError, match="made by a newer version of MemFactory Lab .*9999"):
        database.connect(jobs.database_url())
    monkeypatch.setattr(sys, "argv", ["memfactory", "ls"])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2 and said.count("\n") == 1
    assert "update the package" in said
    assert inspect(lab).get_table_names() == before


def open_at_once(address, count):
    started = [
        subprocess.Popen([sys.executable, "-c", OPEN, address], stderr=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    return [(process.communicate()[1], process.returncode) for process in started]


@pytest.mark.slow
def test_several_that_open_an_older_database_at_once_migrate_it_once(old):
    before = rows_of(old)
    assert open_at_once(url(old), 4) == [("", 0)] * 4
    engine = database.connect(url(old))
    assert differences(engine) == []
    once = database.connect(url(old.with_name(f"{old.name}.before-{schema.newest()}")))
    assert rows_of(old)["tally"] == rows_of(once.url.database)["tally"]
    assert len(rows_of(old)["episode"]) == len(before["episode"])


@pytest.mark.slow
def test_several_that_open_an_empty_server_at_once_make_its_tables_once(server):
    address = server.new_database()
    assert open_at_once(address, 4) == [("", 0)] * 4
    engine = database.connect(address)
    assert differences(engine) == []
    engine.dispose()


DIES = """
import os, signal, sys
from alembic import op
from memfactory_core.runs import database

def last(*arguments, **more):
    change(*arguments, **more)
    {ends}

# the first change of a table in a database of 0.1.0; of 0.2.0, which has all of them, the first of a row
name = sys.argv[2]
change = getattr(op, name)
setattr(op, name, last)
database.connect(sys.argv[1])
"""


@pytest.mark.parametrize("ends", ["os.kill(os.getpid(), signal.SIGKILL)", "raise RuntimeError"])
def test_a_migration_that_dies_half_way_has_changed_nothing(old, ends):
    before = rows_of(old)
    where = "execute" if "tally" in before else "add_column"
    done = subprocess.run(
        [sys.executable, "-c", DIES.format(ends=ends), url(old), where], capture_output=True
    )
    assert done.returncode in (-9, 1), done.stderr
    assert rows_of(old) == before
    engine = database.connect(url(old))
    assert (differences(engine), schema.number_of(engine)) == ([], schema.newest())


def test_without_room_for_the_copy_nothing_is_changed(old, monkeypatch):
    before = rows_of(old)
    monkeypatch.setattr(database, "PATIENCE", 0.2)
    monkeypatch.setattr("memfactory_core.runs.disk.SPARE", 10**18)
    with pytest.raises(RunError, match="the disk is full"):
        database.connect(url(old))
    assert rows_of(old) == before


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nonsense", "is not the URL of a database"),
        ("postgresql+nodriver://x@y/z", "is not the URL of a database"),
        ("mysql+pymysql://x:secret@y/z", "driver of the database"),
    ],
)
def test_an_address_that_is_none_is_told_in_one_line(address, said):
    with pytest.raises(RunError, match=said) as refused:
        database.connect(address)
    assert "secret" not in str(refused.value) and "\n" not in str(refused.value)


def test_a_server_that_is_away_is_told_without_its_password(monkeypatch, tmp_path):
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    monkeypatch.setattr(database, "PATIENCE", 0.1)
    with pytest.raises(RunError, match="the database's server cannot be reached") as refused:
        database.connect(f"postgresql://me:secret@/lab?host={tmp_path}")
    assert "secret" not in str(refused.value) and "\n" not in str(refused.value)


def test_the_archives_are_as_old_as_they_say(old):
    """One that a later version has opened would prove nothing."""
    names = set(inspect(create_engine(url(old))).get_table_names())
    assert schema.NUMBER not in names
