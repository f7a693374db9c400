"""The shape of the database: which step of `migrations/` it has reached, and how an older one is brought up to date.
A database of a newer version is refused: this one would not know what its columns mean."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, inspect, text
from sqlalchemy.pool import NullPool

from memfactory_core.errors import RunError
from memfactory_core.runs import disk

VERSIONS = Path(__file__).parent / "migrations" / "versions"
NUMBER = "alembic_version"
"""The table that holds the number of the last step."""


def newest() -> str:
    """The number of the last step that this version knows."""
    return max(path.stem[1:5] for path in VERSIONS.glob("r[0-9]*.py"))


def number_of(engine: Engine) -> str | None:
    """The number of the last step that a database has taken; None for an empty one, and for one of version 0.2.0 or
    older, which held no number."""
    with engine.connect() as connection:
        if not inspect(connection).has_table(NUMBER):
            return None
        return connection.execute(text(f"SELECT version_num FROM {NUMBER}")).scalar()


def is_current(engine: Engine) -> bool:
    """Whether a database has taken every step. RunError where it has taken one that this version does not know."""
    number = number_of(engine)
    known = {path.stem[1:5] for path in VERSIONS.glob("r[0-9]*.py")}
    if number is not None and number not in known:
        raise RunError(
            f"the database {engine.url} was made by a newer version of MemFactory Lab (its schema is {number}, this "
            f"version knows those up to {newest()}): update the package, or name another database in MEMFACTORY_DB"
        )
    return number == newest()


def migrate(engine: Engine, file: Path | None) -> None:
    """Takes the steps that a database has not taken, all in one transaction: one that dies half-way has changed
    nothing. An older database in a `file` is copied beside it first. The caller keeps other processes out."""
    if is_current(engine):
        return
    if file and inspect(engine).has_table("run"):
        back_up(file, file.with_name(f"{file.name}.before-{newest()}"))
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "memfactory_core.runs:migrations")
    config.set_main_option("path_separator", "os")
    whole = _transactional(engine)
    try:
        with whole.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        whole.dispose()


def back_up(file: Path, copy: Path) -> None:
    """Copies a SQLite database that may be in use. The copy is whole or not there; OSError where there is no room."""
    disk.require_room(file.parent, file.stat().st_size)
    part = copy.with_name(f"{copy.name}.part")
    part.unlink(missing_ok=True)
    source, target = sqlite3.connect(file), sqlite3.connect(part)
    try:
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
    finally:
        source.close()
        target.close()
    part.replace(copy)


def _transactional(engine: Engine) -> Engine:
    """An engine on the same database whose transactions hold changes of tables too, and the write lock from their
    start: the sqlite3 module would begin one only at the first row that is written."""
    whole = create_engine(engine.url, poolclass=NullPool)
    if whole.dialect.name == "sqlite":

        @event.listens_for(whole, "connect")
        def _leave_to_us(connection: Any, _: Any) -> None:
            connection.isolation_level = None

        @event.listens_for(whole, "begin")
        def _begin(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return whole
