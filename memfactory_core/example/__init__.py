"""The finished run that comes with the package, so that a new lab is not empty. Remade by
`memfactory demo` and `memfactory export RUN memfactory_core/example/run --every 10`."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

from memfactory_core import db
from memfactory_core.archive import import_run
from memfactory_core.db import Run

FOLDER = Path(__file__).parent / "run"


def ensure(engine: Engine) -> Run | None:
    """Brings the example run into a database that has no runs yet; None where there are
    some, or where the package was built without it."""
    if db.list_runs(engine, limit=1) or not FOLDER.is_dir():
        return None
    return import_run(engine, FOLDER)
