"""A run from elsewhere comes in whole or not at all: its files are staged, then its rows and its folder appear in one
transaction."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, insert
from sqlalchemy.exc import DataError, IntegrityError
from sqlmodel import Session

from memfactory_core.errors import RunError
from memfactory_core.runs import database, jobs, recording
from memfactory_core.runs.tables import Run


def find_run(engine: Engine, run_id: str) -> Run | None:
    """The run of this id, None where there is none."""
    with Session(engine) as session:
        return session.get(Run, run_id)


def bring_in(
    engine: Engine,
    source: str,
    values: Mapping[str, Any],
    rows: recording.Rows,
    stage: Callable[[Path], None],
) -> Run:
    """Writes the run's row (`values`, with its id; the folder is ours) and all that goes into other tables; `stage`
    writes its files into the folder that it is given. Where the run is there already, that one. RunError, naming
    `source`, where something cannot be written, and nothing is left then."""
    run_id = values["id"]
    home, staging = jobs.root() / run_id, jobs.root() / f".{run_id}.{os.getpid()}"
    try:
        database.note_elsewhere(engine)
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        stage(staging)

        def bring(connection: Connection) -> None:
            # the row first: of two that bring in the same thing at once the second stops here
            connection.execute(insert(Run), {**values, "folder": str(home), "token": "imported"})
            recording.insert_rows(connection, rows)
            if home.exists():  # of an import that was killed before it was in the database
                shutil.rmtree(home)
            staging.rename(home)

        database.write(engine, bring)
    except IntegrityError as error:
        known = find_run(engine, run_id)
        if known is None:
            raise RunError(f"{source} holds the same thing twice: {error.orig}") from error
    except DataError as error:
        raise RunError(
            f"{source} holds a value that the database does not store: {str(error.orig).splitlines()[0]}"
        ) from error
    except (OSError, shutil.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise RunError(f"cannot write {home}: {why}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return database.get_run(engine, run_id)
