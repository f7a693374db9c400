"""The database of runs on SQLite in WAL mode (or any SQLAlchemy URL): opened, and a run's row read and changed.
Workers write, pages read."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, inspect, text
from sqlmodel import Session, create_engine, select

from memfactory_core.errors import RunError
from memfactory_core.runs.tables import Run, Table


def connect(url: str) -> Engine:
    """An engine with every table made. A path's folder is made where it is missing; RunError where the
    place cannot be written."""
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot make the folder {path.parent}: {error.strerror}") from error
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def _configure(connection: Any, _: Any) -> None:
            for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=10000"):
                connection.execute(f"PRAGMA {pragma}")

    try:
        Table.metadata.create_all(engine)
        _add_columns(engine)
    except Exception as error:
        reason = getattr(error, "orig", error)
        raise RunError(
            f"cannot open the database {url}: {reason}; is the folder writable?"
        ) from error
    return engine


def _add_columns(engine: Engine) -> None:
    """Columns that a newer version brought are added to an older database; nothing is ever removed."""
    inspector = inspect(engine)
    for table in Table.metadata.sorted_tables:
        known = {column["name"] for column in inspector.get_columns(table.name)}
        for column in table.columns:
            if column.name not in known:
                kind = column.type.compile(engine.dialect)
                with engine.begin() as connection:
                    connection.execute(
                        text(f'ALTER TABLE "{table.name}" ADD "{column.name}" {kind}')
                    )


def update_run(engine: Engine, run_id: str, **changes: Any) -> Run:
    """Changes columns of a run and returns it. RunError where there is no such run."""
    with Session(engine, expire_on_commit=False) as session:
        run = session.get(Run, run_id)
        if run is None:
            raise RunError(f"no run {run_id!r}; `memfactory ls` shows the runs")
        for name, value in changes.items():
            setattr(run, name, value)
        session.add(run)
        session.commit()
        return run


def get_run(engine: Engine, run_id: str) -> Run:
    """A run by its id or an unambiguous beginning of it. RunError where there is none."""
    with Session(engine) as session:
        found = session.exec(select(Run).where(Run.id.startswith(run_id, autoescape=True))).all()
    if len(found) != 1:
        what = "no run" if not found else f"{len(found)} runs begin with"
        raise RunError(f"{what} {run_id!r}; `memfactory ls` shows the runs")
    return found[0]


def list_runs(engine: Engine, limit: int = 200) -> list[Run]:
    """Runs, newest first."""
    with Session(engine) as session:
        return list(session.exec(select(Run).order_by(Run.created.desc()).limit(limit)).all())


def now() -> float:
    """Seconds since the epoch, the clock of every column here."""
    return time.time()
