"""A run deleted: its row, all that was recorded of it, and its folder. One that has a worker is refused."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from sqlalchemy import Connection, Engine, delete
from sqlmodel import col

from memfactory_core.errors import RunError
from memfactory_core.runs import database
from memfactory_core.runs.place import root
from memfactory_core.runs.recording import remove_episodes
from memfactory_core.runs.tables import ACTIVE, EpisodeRow, Metric, Run, TallyRow


def delete_run(engine: Engine, run_id: str) -> list[Run]:
    """Deletes a run that has ended; the runs whose weights are its own are given back: they can be looked at, but not
    gone on with. RunError where it is at work or waits, or where one of those does."""
    run = database.get_run(engine, run_id)
    heirs = list_heirs(engine, run.id)
    working = [heir.id for heir in heirs if heir.state in ACTIVE]
    if working:
        raise RunError(
            f"run {run.id} is needed: {working[0]} works with its weights; stop that first"
        )

    def take_out(connection: Connection) -> bool:
        # the row first: a run that is started meanwhile is not deleted
        idle = (col(Run.id) == run.id, col(Run.state).not_in(ACTIVE))
        if connection.execute(delete(Run).where(*idle)).rowcount != 1:
            return False
        remove_episodes(connection, run.id, [col(EpisodeRow.run_id) == run.id])
        for table in (Metric, TallyRow):
            connection.execute(delete(table).where(col(table.run_id) == run.id))
        return True

    if not database.write(engine, take_out):
        now = database.get_run(engine, run.id)
        raise RunError(f"run {run.id} is {now.state}: stop it first (memfactory stop {run.id})")
    _remove_folder(Path(run.folder))
    return heirs


def list_heirs(engine: Engine, run_id: str) -> list[Run]:
    """The runs that start from a run's weights, or measure them."""
    runs = database.list_runs(engine, limit=1_000_000)
    return [run for run in runs if run.settings.get("weights") == run_id]


def _remove_folder(folder: Path) -> None:
    """Out of the way first, under a name that `gc` knows as left over: a removal that is killed leaves no half run."""
    if not folder.is_dir() or folder.parent != root():
        return
    aside = root() / f".unpacked.{os.getpid()}.{folder.name}"
    folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)
