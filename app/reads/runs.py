"""Reads of runs: a list, one, its name, the end of its log."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import func, select
from sqlmodel import Session

from app.reads.engine import database_engine
from memfactory_core.runs.tables import Run


def list_runs(limit: int, offset: int = 0) -> list[Run]:
    """Runs, newest first."""
    with Session(database_engine()) as session:
        chosen = select(Run).order_by(Run.created.desc()).limit(limit).offset(offset)
        return list(session.execute(chosen).scalars())


def count_runs() -> int:
    """How many runs there are."""
    with Session(database_engine()) as session:
        return session.execute(select(func.count()).select_from(Run)).scalar_one()


def find_run(run_id: str | None) -> Run | None:
    """One run, None where there is none of this id."""
    if not run_id:
        return None
    with Session(database_engine()) as session:
        return session.get(Run, run_id)


def label_runs(limit: int = 500) -> dict[str, str]:
    """Run ids with a label, newest first."""
    with Session(database_engine()) as session:
        chosen = select(Run.id, Run.name).order_by(Run.created.desc()).limit(limit)
        return {run_id: f"{name} · {run_id}" for run_id, name in session.execute(chosen)}


def read_log_tail(run: Run, size: int = 20_000) -> str:
    """The end of a run's log."""
    path = Path(run.folder) / "log.txt"
    if not path.is_file():
        return ""
    with open(path, "rb") as log:
        log.seek(0, os.SEEK_END)
        start = max(0, log.tell() - size)
        log.seek(start)
        text = log.read().decode("utf-8", errors="replace")
    lines = (text.partition("\n")[2] if start else text).split("\n")
    return "\n".join(
        line.rsplit("\r", 1)[-1] for line in lines
    )  # of a progress bar, its last state
