"""Reads of runs: a list, one, its name, the end of its log."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import or_, select
from sqlmodel import Session

from app.reads.engine import database_engine
from memfactory_core.runs import search
from memfactory_core.runs.labels import tell_apart
from memfactory_core.runs.tables import ACTIVE, Run


def list_runs(limit: int, offset: int = 0) -> list[Run]:
    """Runs, newest first."""
    with Session(database_engine()) as session:
        chosen = select(Run).order_by(Run.created.desc()).limit(limit).offset(offset)
        return list(session.execute(chosen).scalars())


MOST_OFFERED = 500
"""Runs that a choice by name offers, the newest."""
ANSWERING = ("train", "imitate", "evaluate")
"""The modes in which an agent answers questions."""


def list_measurable() -> list[Run]:
    """Runs whose agent can be measured, newest first: those that train one or have measured one."""
    with Session(database_engine()) as session:
        chosen = select(Run).where(Run.mode.in_(ANSWERING), Run.state != "queued")
        newest = chosen.order_by(Run.created.desc()).limit(MOST_OFFERED)
        return list(session.execute(newest).scalars())


def list_measured() -> list[Run]:
    """Runs that have scores, or will have some, newest first."""
    with Session(database_engine()) as session:
        chosen = select(Run).where(or_(Run.results != "{}", Run.state.in_(ACTIVE)))
        newest = chosen.order_by(Run.created.desc()).limit(MOST_OFFERED)
        return list(session.execute(newest).scalars())


def find_runs(run_ids: Sequence[str]) -> list[Run]:
    """The runs of these ids, in their order; those that are gone are left out."""
    return search.find_runs(database_engine(), run_ids)


def count_runs() -> int:
    """How many runs there are."""
    return search.count_runs(database_engine())


def find_run(run_id: str | None) -> Run | None:
    """One run, None where there is none of this id."""
    if not run_id:
        return None
    with Session(database_engine()) as session:
        return session.get(Run, run_id)


def label_runs(limit: int = 500) -> dict[str, str]:
    """Run ids with a label, newest first: the name, and when it was made where another run has the same name."""
    with Session(database_engine()) as session:
        chosen = select(Run.id, Run.name, Run.created).order_by(Run.created.desc()).limit(limit)
        return tell_apart(tuple(row) for row in session.execute(chosen))


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
