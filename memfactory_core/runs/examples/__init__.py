"""The finished runs that come with the package, so that a new lab is not empty. Remade by
`memfactory demo --recipe RECIPE` and `memfactory export RUN memfactory_core/runs/examples/NAME`: `memagent` of
memagent-tiny with `--every 5`, `memory_r1` of memory-r1-tiny with `--every 16 --no-sampled`, `smollm2` of `memfactory
train memagent-smollm2 --set policy.lora_rank=8 --set policy.lora_alpha=16 --set evaluation.samples=0` with
`--every 10 --no-sampled --half`: the adapters alone, the model itself comes by `memfactory get smollm2-135m`."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from memfactory_core.runs import database
from memfactory_core.runs.archive import import_run
from memfactory_core.runs.bundle import EPISODES, RECORD
from memfactory_core.runs.tables import Run
from memfactory_core.trace import Episode

FOLDERS = tuple(sorted(path.parent for path in Path(__file__).parent.glob("*/run.json")))


def ensure(engine: Engine) -> list[Run]:
    """Brings the example runs into a database that has no runs yet; [] where there are some, or where the
    package was built without examples. Of several processes that begin at once one brings them in."""
    with database.alone(engine):
        if database.list_runs(engine, limit=1):
            return []
        return [import_run(engine, folder) for folder in FOLDERS]


def find(engine: Engine) -> dict[str, Run]:
    """The example runs that are in a database, by the names of their folders."""
    origins = {_origin(folder): folder.name for folder in FOLDERS}
    with Session(engine) as session:
        known = session.exec(select(Run).where(col(Run.origin).in_(origins))).all()
    return {origins[run.origin]: run for run in known}


def _origin(folder: Path) -> str:
    return json.loads((folder / RECORD).read_text(encoding="utf-8"))["run"]["id"]


def bring_in(engine: Engine) -> list[Run]:
    """Brings the example runs into a database that has others; those that are there stay as they are."""
    return [import_run(engine, folder) for folder in FOLDERS]


def stored_episodes(name: str, phase: str, step: int | None = None) -> Iterator[Episode]:
    """The episodes of an example run as the package holds them, of one phase (and step), in their order."""
    with gzip.open(Path(__file__).parent / name / EPISODES, "rt", encoding="utf-8") as lines:
        start = f'["{phase}", ' if step is None else f'["{phase}", {step}, '
        for line in lines:
            if line.startswith(start):  # most lines need not be parsed
                yield Episode.model_validate(json.loads(line)[2])
