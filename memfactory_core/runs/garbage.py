"""What may be removed from a lab: what retention does not keep, and what processes that were killed have left. A run
with a worker is never touched: its row is locked while its files are looked at, so that none can be started."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import psutil
from sqlalchemy import Connection, Engine, delete, func, text, update
from sqlmodel import Session, col, select

from memfactory_core.config import RunConfig, build
from memfactory_core.errors import ConfigError
from memfactory_core.models.folder import look_at_files, measure_folder
from memfactory_core.runs import database
from memfactory_core.runs.footprint import ROWS
from memfactory_core.runs.place import OTHERS, root
from memfactory_core.runs.recording import remove_episodes
from memfactory_core.runs.retention import find_superseded
from memfactory_core.runs.tables import (
    ACTIVE,
    EpisodeRow,
    ExampleRow,
    MemoryRow,
    Metric,
    NeedRow,
    Run,
    TallyRow,
)
from memfactory_core.runs.weights import STAGE, final_weights
from memfactory_core.types import Record

RUN_FOLDER = re.compile(r"\d{4}-\d{6}-[0-9a-f]{4}|(?:import|log)-[0-9a-f]{16}")
STAGING = re.compile(r"\.(?:unpacked|export|(?:import|log)-[0-9a-f]{16})\.(\d+)(?:\..*)?")
"""Folders that an export or an import works in, with the process's id."""
PART = re.compile(r".*\.(\d+)\.part")
"""Files that are being written, with the process's id."""
UNTOUCHED = 3600.0
"""Seconds for which nothing in a folder without a run may have changed before it is removed."""
Kind = Literal[
    "folder without a run", "rows without a run", "episodes beyond retention", "superseded checkpoint",
    "leftover", "stop flag",
]  # fmt: skip


class Removal(Record):
    """Something that was removed, or would be: what it is, where, and its bytes, of episodes about those that they take
    with all their rows. `kept` says why it was not."""

    kind: Kind
    place: str
    size: int
    kept: str = ""


def collect(engine: Engine, dry_run: bool = False, every: int | None = None) -> list[Removal]:
    """Removes what may be removed, and gives the database's free pages back. `every` keeps of ended runs' trainings
    the episodes of each so-many-th step, where their settings keep more."""
    found = [*_leftovers(dry_run), *_orphans(engine, dry_run), *_rows(engine, dry_run)]
    for run in _all_runs(engine):
        found += _of_run(engine, run, dry_run, every)
    if not dry_run and any(removal.kind.startswith(("rows", "episodes")) for removal in found):
        vacuum(engine)
    return found


def vacuum(engine: Engine) -> None:
    """Gives the pages that deleted rows have left back to the disk. Busy where others are at the database."""
    alone = engine.execution_options(isolation_level="AUTOCOMMIT")

    def clean() -> None:
        with alone.connect() as connection:
            connection.execute(text("VACUUM"))
            if engine.dialect.name == "sqlite":
                connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))

    database.patiently(engine, clean)


def _all_runs(engine: Engine) -> list[Run]:
    with Session(engine) as session:
        return list(session.exec(select(Run).order_by(Run.id)).all())


def _of_run(engine: Engine, run: Run, dry_run: bool, every: int | None) -> list[Removal]:
    """What may go of one run that has ended, in one transaction that keeps it from being started."""
    try:
        config: RunConfig | None = build(run.settings, f"run {run.id}")
    except (
        ConfigError
    ):  # of a part that is not installed here, perhaps: its own retention is not known
        config = None
    superseded = find_superseded(engine, run.id, config, Path(run.folder)) if config else []

    def look(connection: Connection) -> list[Removal]:
        idle = (col(Run.id) == run.id, col(Run.state).not_in((*ACTIVE,)))
        locked = update(Run).where(*idle).values(state=Run.state)
        if connection.execute(locked).rowcount != 1:
            return []
        found = _episodes(connection, run, config, dry_run, every)
        folder = Path(run.folder)
        kinds: tuple[tuple[Kind, list[Path]], ...] = (
            ("superseded checkpoint", superseded),
            ("leftover", _find_leftovers(folder)),
            ("stop flag", [folder / "stop"] if run.state != "queued" else []),
        )
        for kind, paths in kinds:
            found += [_remove(kind, path, dry_run) for path in paths if path.exists()]
        return found

    if run.state in ACTIVE:
        return []
    return database.write(engine, look)


def _find_leftovers(folder: Path) -> list[Path]:
    """What a training, or the imitation before it, began and did not need in the end."""
    stage = folder / STAGE
    found = [
        path
        for place in (folder, stage)
        for path in (place / "policy.part", *place.glob("damaged-*"))
    ]
    return [*found, stage / "checkpoints"] if final_weights(stage) else found


def _episodes(
    connection: Connection, run: Run, config: RunConfig | None, dry_run: bool, every: int | None
) -> list[Removal]:
    kept = max(every or 1, config.retention.every if config else 1)
    last = config.training.steps if config else run.steps
    if kept == 1:
        return []
    beyond = [
        col(EpisodeRow.run_id) == run.id,
        col(EpisodeRow.phase) == "train",
        col(EpisodeRow.step) % kept != 0,
        col(EpisodeRow.step).not_in((1, last)),
    ]
    measure = select(func.count(), func.coalesce(func.sum(func.length(EpisodeRow.body)), 0))
    count, size = connection.execute(measure.where(*beyond)).one()
    if not count:
        return []
    if not dry_run:
        remove_episodes(connection, run.id, beyond)
    place = f"run {run.id}: {count:,} episodes between each {kept} steps"
    return [Removal(kind="episodes beyond retention", place=place, size=int(size) + count * ROWS)]


def _rows(engine: Engine, dry_run: bool) -> Iterator[Removal]:
    """Rows that name a run which is not there."""
    known = select(Run.id)

    def look(connection: Connection) -> int:
        count = 0
        for table in (EpisodeRow, ExampleRow, NeedRow, MemoryRow, TallyRow, Metric):
            lost = col(table.run_id).not_in(known)
            if dry_run:
                chosen = select(func.count()).select_from(table).where(lost)
                count += connection.execute(chosen).scalar_one()
            else:
                count += connection.execute(delete(table).where(lost)).rowcount
        return count

    if count := database.write(engine, look):
        yield Removal(kind="rows without a run", place=f"the database: {count:,} rows", size=0)


def _orphans(engine: Engine, dry_run: bool) -> Iterator[Removal]:
    """Folders of runs that the database does not know. Where runs of another database may live here, they stay."""
    known = {run.id for run in _all_runs(engine)}
    others = (root() / OTHERS).exists()
    for path in sorted(root().iterdir()):
        if path.name in known or not RUN_FOLDER.fullmatch(path.name) or not path.is_dir():
            continue
        why = ""
        if others:
            why = f"another database has runs here ({OTHERS})"
        elif time.time() - _last_change(path) < UNTOUCHED:
            why = "it was changed within the last hour"
        kind: Kind = "folder without a run"
        if why:
            yield Removal(kind=kind, place=str(path), size=measure_folder(path), kept=why)
        else:
            yield _remove(kind, path, dry_run)


def _last_change(folder: Path) -> float:
    return max(folder.lstat().st_mtime, *(found.st_mtime for found in look_at_files(folder)), 0.0)


def _leftovers(dry_run: bool) -> Iterator[Removal]:
    """What exports, imports and half-written files of processes that are gone have left."""
    for path in sorted([*root().glob(".*"), *root().glob("*.part"), *root().glob("*/*.part")]):
        named = STAGING.fullmatch(path.name) or PART.fullmatch(path.name)
        old = path.name.endswith(".part") and time.time() - path.lstat().st_mtime > UNTOUCHED
        if (named and not psutil.pid_exists(int(named[1]))) or (old and path.is_file()):
            yield _remove("leftover", path, dry_run)


def _remove(kind: Kind, path: Path, dry_run: bool) -> Removal:
    folder = path.is_dir() and not path.is_symlink()
    size = measure_folder(path) if folder else path.lstat().st_size
    remove: Callable[[Path], None] = shutil.rmtree if folder else Path.unlink
    if not dry_run:
        remove(path)
    return Removal(kind=kind, place=str(path), size=size)
