"""Reads of a step's groups and of the attempts in one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from app.reads.engine import database_engine
from memfactory_core.runs.tables import EpisodeRow
from memfactory_core.trace import Episode

BEST_FIRST = ((EpisodeRow.reward + 0).desc(), EpisodeRow.id)
"""The order of a group's attempts."""


def list_groups(
    run_id: str, phase: str, step: int, limit: int, offset: int = 0, group_id: str | None = None
) -> list[dict[str, Any]]:
    """One page of a step's groups, or the one named: question, attempts, rewards (mean, spread,
    lowest, highest), how many are right."""
    place = [EpisodeRow.run_id == run_id, EpisodeRow.phase == phase, EpisodeRow.step == step]
    if group_id is not None:
        place.append(EpisodeRow.group_id == group_id)
    with Session(database_engine()) as session:
        chosen = (
            select(
                EpisodeRow.group_id,
                func.min(EpisodeRow.question).label("question"),
                func.count().label("attempts"),
                func.avg(EpisodeRow.reward).label("mean"),
                func.avg(EpisodeRow.reward * EpisodeRow.reward).label("square"),
                func.min(EpisodeRow.reward).label("lowest"),
                func.max(EpisodeRow.reward).label("highest"),
                func.sum(EpisodeRow.exact_match).label("right"),
            )
            .where(*place)
            .group_by(EpisodeRow.group_id)
            .order_by(EpisodeRow.group_id)
            .limit(limit)
            .offset(offset)
        )
        rows = [dict(row) for row in session.execute(chosen).mappings()]
    return [row | {"spread": max(0.0, row["square"] - row["mean"] ** 2) ** 0.5} for row in rows]


def list_group_ids(run_id: str, phase: str, step: int) -> list[str]:
    """The ids of a step's groups in their order."""
    with Session(database_engine()) as session:
        chosen = (
            select(EpisodeRow.group_id)
            .where(EpisodeRow.run_id == run_id, EpisodeRow.phase == phase, EpisodeRow.step == step)
            .distinct()
            .order_by(EpisodeRow.group_id)
        )
        return list(session.execute(chosen).scalars())


def _in_group(run_id: str, phase: str, step: int, group_id: str) -> tuple[Any, ...]:
    return (
        EpisodeRow.run_id == run_id, EpisodeRow.phase == phase, EpisodeRow.step == step,
        EpisodeRow.group_id == group_id,
    )  # fmt: skip


def list_attempts(
    run_id: str, phase: str, step: int, group_id: str, limit: int = 64, offset: int = 0
) -> list[tuple[EpisodeRow, Episode]]:
    """One page of a group's attempts, best first, with their episodes."""
    with Session(database_engine()) as session:
        chosen = (
            select(EpisodeRow)
            .where(*_in_group(run_id, phase, step, group_id))
            .order_by(*BEST_FIRST)
            .limit(limit)
            .offset(offset)
        )
        return [(row, row.episode) for row in session.execute(chosen).scalars()]


def list_rewards(run_id: str, phase: str, step: int, group_id: str, limit: int) -> list[float]:
    """The rewards of a group's attempts, best first."""
    with Session(database_engine()) as session:
        here = _in_group(run_id, phase, step, group_id)
        chosen = select(EpisodeRow.reward).where(*here).order_by(*BEST_FIRST).limit(limit)
        return list(session.execute(chosen).scalars())


def find_group_and_cause(run_id: str, episode_id: str) -> tuple[str, str | None, int | None] | None:
    """Group, cause and causing event of an episode."""
    with Session(database_engine()) as session:
        chosen = select(EpisodeRow.group_id, EpisodeRow.cause, EpisodeRow.cause_seq).where(
            EpisodeRow.run_id == run_id, EpisodeRow.id == episode_id
        )
        found = session.execute(chosen).one_or_none()
    return tuple(found) if found else None
