"""Reads of a step's episodes: a list without their bodies, or one of them whole."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from app.reads.engine import database_engine
from memfactory_core.runs.tables import EpisodeRow
from memfactory_core.trace import Episode

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


def read_episode(run_id: str, episode_id: str) -> Episode | None:
    """A whole episode."""
    with Session(database_engine()) as session:
        row = session.get(EpisodeRow, (run_id, episode_id))
        return row.episode if row else None
