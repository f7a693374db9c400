"""Reads of the database for pages: only the columns that are shown, paged and thinned out in
SQL."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, exists, func, select
from sqlmodel import Session

from memfactory_core.errors import MemFactoryError
from memfactory_core.runs import chats, database, jobs
from memfactory_core.runs.tables import EpisodeRow, Metric, Run
from memfactory_core.trace import Episode

_OPENING = threading.Lock()
CURVE_POINTS = 2000
"""Points of one curve at most."""
EPISODE_SORTS = {
    "Reward, highest first": (EpisodeRow.reward + 0).desc(),
    "Reward, lowest first": (EpisodeRow.reward + 0).asc(),
    "Advantage, highest first": EpisodeRow.advantage.desc(),
    "Advantage, lowest first": EpisodeRow.advantage.asc(),
}
"""Orders of a step's episodes; `+ 0` keeps SQLite from walking the whole phase by its index of
rewards."""
LISTED_COLUMNS = [
    getattr(EpisodeRow, name)
    for name in (
        "id", "group_id", "question", "answer", "gold", "reward", "advantage", "exact_match",
        "stored", "kept", "rejected", "stop_reason",
    )
]  # fmt: skip


def database_engine() -> Engine:
    """The lab's database, opened once per server; the example runs are put in where it has no runs."""
    with _OPENING:
        return _open(jobs.database_url())


@lru_cache(maxsize=4)
def _open(url: str) -> Engine:
    opened = database.connect(url)
    try:
        from memfactory_core.runs import examples
    except ImportError:
        return opened
    try:
        examples.ensure(opened)
    except MemFactoryError as error:  # the lab works without it
        logging.getLogger(__name__).warning("no example runs: %s", error)
    return opened


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


def read_curves(
    run_id: str, names: Sequence[str], points: int = CURVE_POINTS
) -> dict[str, list[tuple[int, float]]]:
    """The named curves as (step, value); a long one is thinned to means over equal stretches of
    steps."""
    with Session(database_engine()) as session:
        of_run = (Metric.run_id == run_id, Metric.name.in_(names))
        last = session.execute(select(func.max(Metric.step)).where(*of_run)).scalar() or 0
        stretch = -(-(last + 1) // points)
        place = Metric.step // stretch if stretch > 1 else Metric.step
        chosen = (
            select(Metric.name, func.min(Metric.step), func.avg(Metric.value))
            .where(*of_run)
            .group_by(Metric.name, place)
            .order_by(Metric.name, func.min(Metric.step))
        )
        found: dict[str, list[tuple[int, float]]] = {}
        for name, step, value in session.execute(chosen):
            found.setdefault(name, []).append((step, value))
    return {name: found[name] for name in names if name in found}


def list_phases(run_id: str) -> list[str]:
    """The phases of which a run has episodes: before, training, after."""
    order = ("before/greedy", "before/sampled", "train", "after/greedy", "after/sampled")
    known = [
        exists().where(EpisodeRow.run_id == run_id, EpisodeRow.phase == phase) for phase in order
    ]
    with Session(database_engine()) as session:
        found = session.execute(select(*known)).one()
    return [phase for phase, there in zip(order, found, strict=True) if there]


def find_step_range(run_id: str, phase: str) -> tuple[int, int]:
    """The first and the last step of which episodes are kept."""
    kept = (EpisodeRow.run_id == run_id, EpisodeRow.phase == phase)
    ends = [
        select(end(EpisodeRow.step)).where(*kept).scalar_subquery() for end in (func.min, func.max)
    ]  # each alone is one look into the index
    with Session(database_engine()) as session:
        first, last = session.execute(select(*ends)).one()
    return first or 0, last or 0


def find_nearest_step(run_id: str, phase: str, step: int) -> int:
    """The step at or before `step` of which episodes are kept."""
    with Session(database_engine()) as session:
        chosen = select(func.max(EpisodeRow.step)).where(
            EpisodeRow.run_id == run_id, EpisodeRow.phase == phase, EpisodeRow.step <= step
        )
        return session.execute(chosen).scalar() or 0


def list_episodes(
    run_id: str, phase: str, step: int, sort: str, limit: int, offset: int = 0
) -> list[dict[str, Any]]:
    """One page of a step's episodes, without their bodies."""
    with Session(database_engine()) as session:
        chosen = (
            select(*LISTED_COLUMNS)
            .where(EpisodeRow.run_id == run_id, EpisodeRow.phase == phase, EpisodeRow.step == step)
            .order_by(EPISODE_SORTS[sort], EpisodeRow.id)
            .limit(limit)
            .offset(offset)
        )
        return [dict(row) for row in session.execute(chosen).mappings()]


def list_episode_ids(run_id: str, phase: str, step: int, sort: str) -> list[str]:
    """The ids of a step's episodes in their order."""
    with Session(database_engine()) as session:
        chosen = (
            select(EpisodeRow.id)
            .where(EpisodeRow.run_id == run_id, EpisodeRow.phase == phase, EpisodeRow.step == step)
            .order_by(EPISODE_SORTS[sort], EpisodeRow.id)
        )
        return list(session.execute(chosen).scalars())


def count_episodes(run_id: str, phase: str | None = None, step: int | None = None) -> int:
    """How many episodes are kept of a run, a phase, a step."""
    chosen = select(func.count()).select_from(EpisodeRow).where(EpisodeRow.run_id == run_id)
    if phase is not None:
        chosen = chosen.where(EpisodeRow.phase == phase)
    if step is not None:
        chosen = chosen.where(EpisodeRow.step == step)
    with Session(database_engine()) as session:
        return session.execute(chosen).scalar_one()


def count_episodes_between(run_id: str, phase: str, first: int, last: int) -> int:
    """How many episodes are kept of a phase's steps from the first to the last."""
    chosen = select(func.count()).where(
        EpisodeRow.run_id == run_id, EpisodeRow.phase == phase, EpisodeRow.step.between(first, last)
    )
    with Session(database_engine()) as session:
        return session.execute(chosen).scalar_one()


def find_place(run_id: str, episode_id: str) -> tuple[str, int] | None:
    """Phase and step of an episode, None where there is none of this id."""
    with Session(database_engine()) as session:
        chosen = select(EpisodeRow.phase, EpisodeRow.step).where(
            EpisodeRow.run_id == run_id, EpisodeRow.id == episode_id
        )
        found = session.execute(chosen).one_or_none()
    return tuple(found) if found else None


def read_episode(run_id: str, episode_id: str) -> Episode | None:
    """A whole episode."""
    with Session(database_engine()) as session:
        row = session.get(EpisodeRow, (run_id, episode_id))
        return row.episode if row else None


def list_chats(limit: int = chats.KEPT) -> list[chats.Chat]:
    """The chats that are kept, newest first."""
    return list(chats.recent(database_engine(), limit))


def read_chat(chat_id: str) -> Episode | None:
    """What was read and answered in a chat."""
    return chats.get(database_engine(), chat_id)


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
