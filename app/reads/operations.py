"""Reads of the operations that were carried out."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlmodel import Session

from app.reads.causes import MOST_BARS
from app.reads.engine import database_engine
from app.reads.steps import find_step_range
from memfactory_core.runs.tables import EpisodeRow, EventRow


def count_operations(run_id: str) -> dict[int, dict[str, int]]:
    """How often each operation was carried out, at up to BARS of the training steps."""
    with Session(database_engine()) as session:
        first, last = find_step_range(run_id, "train")
        stretch = -(-(last - first + 1) // MOST_BARS)
        kept = (EpisodeRow.run_id == run_id, EpisodeRow.phase == "train")
        starts = select(func.min(EpisodeRow.step)).where(*kept).group_by(EpisodeRow.step // stretch)
        steps = list(session.execute(starts).scalars())
        places = select(EpisodeRow.id, EpisodeRow.step).where(*kept, EpisodeRow.step.in_(steps))
        step_of = dict(session.execute(places).all())
        chosen = (
            select(EventRow.episode_id, EventRow.action, func.count())
            .where(EventRow.run_id == run_id, EventRow.episode_id.in_(step_of))
            .group_by(EventRow.episode_id, EventRow.action)
        )
        found: dict[int, dict[str, int]] = {step: {} for step in sorted(steps)}
        for episode, action, count in session.execute(chosen):
            if action:
                here = found[step_of[episode]]
                here[action] = here.get(action, 0) + count
    return {step: here for step, here in found.items() if here}


def knows_operations(run_id: str) -> bool:
    """Whether the task of a run's episodes knows the right operation for each message."""
    with Session(database_engine()) as session:
        chosen = select(EpisodeRow).where(EpisodeRow.run_id == run_id).limit(1)
        row = session.execute(chosen).scalars().first()
        return bool(row and row.episode.example.meta.get("actions"))
