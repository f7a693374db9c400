"""Reads of the phases and steps of which a run has episodes."""

from __future__ import annotations

from sqlalchemy import exists, func, select
from sqlmodel import Session

from app.reads.engine import database_engine
from app.shell.words import PHASE_LABELS
from memfactory_core.runs.tables import EpisodeRow


def list_phases(run_id: str) -> list[str]:
    """The phases of which a run has episodes: untrained, before, training, after."""
    order = tuple(PHASE_LABELS)
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


def find_place(run_id: str, episode_id: str) -> tuple[str, int] | None:
    """Phase and step of an episode, None where there is none of this id."""
    with Session(database_engine()) as session:
        chosen = select(EpisodeRow.phase, EpisodeRow.step).where(
            EpisodeRow.run_id == run_id, EpisodeRow.id == episode_id
        )
        found = session.execute(chosen).one_or_none()
    return tuple(found) if found else None
