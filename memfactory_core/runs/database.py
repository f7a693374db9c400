"""The database of runs on SQLite in WAL mode (or any SQLAlchemy URL): opened, and a run's row read and changed.
Workers write, pages read. Every write goes through `write`, which waits where another process is in the way."""

from __future__ import annotations

import fcntl
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, event, func, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlmodel import Session, col, create_engine, select

from memfactory_core.errors import RunError
from memfactory_core.runs import disk, schema
from memfactory_core.runs.place import note_database
from memfactory_core.runs.tables import ACTIVE, Run

Result = TypeVar("Result")
PATIENCE = 10.0
"""Seconds that a command or a page waits for a database that cannot be used at the moment."""
LOCK = 0x6D656D666163
"""The number of the lock on a PostgreSQL server while tables are made: any that no other program takes."""
BUSY_TIMEOUT = 2.0
"""Seconds that SQLite itself waits for a lock at each try."""
_PASSING = {
    sqlite3.SQLITE_BUSY: "is locked by another process",
    sqlite3.SQLITE_LOCKED: "is locked by another process",
    sqlite3.SQLITE_FULL: "cannot grow, the disk is full",
    sqlite3.SQLITE_IOERR: "cannot be read or written (the disk may be full)",
}
"""SQLite's troubles that may pass by themselves."""


class Busy(RunError):
    """The database or the disk could not be used for as long as one was willing to wait."""


def connect(url: str) -> Engine:
    """An engine on a database that is brought up to date, from an empty or an older one. A path's folder is made where
    it is missing; RunError where the place cannot be written, and for a database of a newer version. Several
    processes may do this at once: one of them makes the tables."""
    engine = _engine(url)
    path = _path(url)
    if path:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot make the folder {path.parent}: {error.strerror}") from error
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def _configure(connection: Any, _: Any) -> None:
            # the timeout first: switching to WAL takes a lock itself
            waits = f"busy_timeout={int(BUSY_TIMEOUT * 1000)}"
            for pragma in (waits, "journal_mode=WAL", "synchronous=NORMAL"):
                connection.execute(f"PRAGMA {pragma}")

    if engine.dialect.name == "postgresql":
        event.listen(engine, "connect", _replace_nul)

    try:
        if not patiently(engine, lambda: schema.is_current(engine)):
            with alone(engine):
                patiently(engine, lambda: schema.migrate(engine, path))
    except RunError:
        raise
    except Exception as error:
        reason = getattr(error, "orig", error)
        raise RunError(
            f"cannot open the database {engine.url}: {reason}; is the folder writable?"
        ) from error
    return engine


def _replace_nul(connection: Any, _: Any) -> None:
    """PostgreSQL stores no NUL in a text, and a policy may say one: columns show the sign for what cannot be shown
    there. A whole episode is kept as bytes, as it was."""
    from psycopg.types.string import StrDumper

    class WithoutNul(StrDumper):
        def dump(self, obj: str) -> Any:
            return super().dump(obj.replace("\0", "\ufffd"))

    connection.adapters.register_dumper(str, WithoutNul)


def _engine(url: str) -> Engine:
    """RunError where the URL is none, or its driver is not installed."""
    try:
        parsed = make_url(url)
        if parsed.drivername in ("postgres", "postgresql"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        return create_engine(parsed)
    except ImportError as error:
        raise RunError(
            f"the driver of the database in MEMFACTORY_DB is not installed ({error}); for PostgreSQL: "
            'pip install "memfactory-lab[postgres]"'
        ) from error
    except ArgumentError as error:
        raise RunError(
            "MEMFACTORY_DB is not the URL of a database, such as postgresql://user@host/lab"
        ) from error


def _path(url: str) -> Path | None:
    """The file of a SQLite URL, None of another database."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        return None
    return Path(parsed.database)


@contextmanager
def alone(engine: Engine) -> Iterator[None]:
    """Keeps other processes out while tables are made or the first runs brought in: two that look and then act
    would both act. The lock is a file beside the database, or one of PostgreSQL's own, and ends with the process
    that holds it."""
    path = _path(engine.url.render_as_string(hide_password=False))
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(select(func.pg_advisory_lock(LOCK)))
            try:
                yield
            finally:
                connection.execute(select(func.pg_advisory_unlock(LOCK)))
        return
    if path is None:
        yield
        return
    with open(path.with_name(path.name + ".lock"), "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def passing(error: BaseException) -> str:
    """What is in the way, in words, where it may pass by itself: a lock, a full disk, a server that is away.
    "" for any other error."""
    if isinstance(error, OSError) and disk.is_full(error):
        return "the disk is full"
    if not isinstance(error, DBAPIError):
        return ""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is None:
        away = isinstance(error, OperationalError) and not isinstance(error.orig, sqlite3.Error)
        why = str(error.orig).strip().partition("\n")[0]
        return f"the database's server cannot be reached ({why})" if away else ""
    why = _PASSING.get(code & 0xFF, "")  # the higher bits only tell kinds of one trouble apart
    return f"the database {why}" if why else ""


def patiently(engine: Engine, action: Callable[[], Result]) -> Result:
    """The action's result; it is tried again while something is in the way that may pass. The engine's options
    say for how many seconds (`patience`) and who is told of it (`say`). Busy, with the cause, after that."""
    options = engine.get_execution_options()
    patience, say = options.get("patience", PATIENCE), options.get("say")
    began, told = time.monotonic(), ""
    while True:
        try:
            result = action()
        except (DBAPIError, OSError) as error:
            cause = passing(error)
            waited = time.monotonic() - began
            if not cause:
                raise
            if waited >= patience:
                raise Busy(f"{cause} (waited {waited:.0f} s); try again when it is free") from error
            if say and cause != told:
                say(f"{cause}; waiting")
            told = cause
            time.sleep(min(0.5, patience))
            continue
        if say and told:
            say(f"waited {time.monotonic() - began:.0f} s; going on")
        return result


def write(engine: Engine, change: Callable[[Connection], Result]) -> Result:
    """Carries out a change in one transaction, patiently. An engine that holds a lease (option `lease`) renews it
    in the same transaction: LeaseLost, and nothing written, where it is lost."""
    lease = engine.get_execution_options().get("lease")

    def attempt() -> Result:
        with engine.begin() as connection:
            if lease:
                lease.renew(connection)
            return change(connection)

    return patiently(engine, attempt)


def update_run_if(engine: Engine, run_id: str, *conditions: Any, **changes: Any) -> bool:
    """Changes columns of a run where the conditions hold, in one statement; whether they did. Of several
    processes that ask at once one is told so."""
    chosen = update(Run).where(Run.id == run_id, *conditions).values(**changes)
    return write(engine, lambda connection: connection.execute(chosen).rowcount == 1)


def update_run(engine: Engine, run_id: str, **changes: Any) -> Run:
    """Changes columns of a run and returns it. RunError where there is no such run."""
    update_run_if(engine, run_id, **changes)
    return get_run(engine, run_id)


def get_run(engine: Engine, run_id: str) -> Run:
    """A run by its id or an unambiguous beginning of it, or by the id that it had where it was imported from.
    RunError where there is none."""

    def read() -> list[Run]:
        with Session(engine) as session:
            exact = session.get(Run, run_id)
            if exact:
                return [exact]
            begins = session.exec(
                select(Run).where(Run.id.startswith(run_id, autoescape=True))
            ).all()
            return list(
                begins or session.exec(select(Run).where(Run.origin == run_id, run_id != "")).all()
            )

    try:
        found = patiently(engine, read)
    except UnicodeEncodeError:  # no id holds what is no text
        found = []
    if len(found) != 1:
        what = "no run" if not found else f"{len(found)} runs begin with"
        raise RunError(f"{what} {run_id!r}; `memfactory ls` shows the runs")
    return found[0]


def list_runs(engine: Engine, limit: int = 200) -> list[Run]:
    """Runs, newest first."""
    return _read(engine, select(Run).order_by(Run.created.desc()).limit(limit))


def active_runs(engine: Engine) -> list[Run]:
    """Every run that a process works on, or should."""
    return _read(engine, select(Run).where(Run.state.in_(ACTIVE)))


def _read(engine: Engine, chosen: Any) -> list[Run]:
    def read() -> list[Run]:
        with Session(engine) as session:
            return list(session.exec(chosen).all())

    return patiently(engine, read)


def add_run(engine: Engine, run: Run) -> Run:
    """Adds a run's row; where the database lies elsewhere than the runs, a note of it stays with them."""
    values = run.model_dump()
    note_elsewhere(engine)
    write(engine, lambda connection: connection.execute(Run.__table__.insert(), values))
    return get_run(engine, run.id)


def note_elsewhere(engine: Engine) -> None:
    """Leaves a note beside the runs where this database does not lie there: see `place.note_database`."""
    note_database(_path(engine.url.render_as_string(hide_password=False)), str(engine.url))


def worked_before() -> Any:
    """The seconds of a run's earlier stretches with the last one added, as an SQL expression for its start."""
    last = col(Run.ended) - col(Run.started)
    return func.coalesce(Run.seconds, 0.0) + func.coalesce(last, 0.0)


def now() -> float:
    """Seconds since the epoch, the clock of every column here."""
    return time.time()
