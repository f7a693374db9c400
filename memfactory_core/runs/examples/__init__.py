"""The finished runs that come with the package, so that a new lab is not empty. Remade by
`memfactory demo --recipe RECIPE` and `memfactory export RUN memfactory_core/runs/examples/NAME`: `memagent` of
memagent-tiny with `--every 10`, `memory_r1` of memory-r1-tiny with `--every 16 --no-sampled`."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

from memfactory_core.runs import database
from memfactory_core.runs.archive import import_run
from memfactory_core.runs.tables import Run

FOLDERS = tuple(sorted(path.parent for path in Path(__file__).parent.glob("*/run.json")))


def ensure(engine: Engine) -> list[Run]:
    """Brings the example runs into a database that has no runs yet; [] where there are some, or where the
    package was built without examples. Of several processes that begin at once one brings them in."""
    with database.alone(engine):
        if database.list_runs(engine, limit=1):
            return []
        return [import_run(engine, folder) for folder in FOLDERS]
