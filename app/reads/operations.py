"""Reads of the operations that were carried out."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlmodel import Session

from app.reads.causes import MOST_BARS
from app.reads.engine import database_engine
from app.reads.steps import find_step_range
from memfactory_core.runs.tables import EpisodeRow, TallyRow


def count_operations(run_id: str) -> dict[int, dict[str, int]]:
    """How often each operation was carried out, at up to MOST_BARS of the training steps."""
    with Session(database_engine()) as session:
        first, last = find_step_range(run_id, "train")
        stretch = -(-(last - first + 1) // MOST_BARS)
        kept = (EpisodeRow.run_id == run_id, EpisodeRow.phase == "train")
        starts = select(func.min(EpisodeRow.step)).where(*kept).group_by(EpisodeRow.step // stretch)
        steps = list(session.execute(starts).scalars())
        chosen = select(TallyRow.step, TallyRow.name, TallyRow.count).where(
            TallyRow.run_id == run_id, TallyRow.phase == "train", TallyRow.step.in_(steps),
            TallyRow.name.startswith("wrote/"),
        )  # fmt: skip
        found: dict[int, dict[str, int]] = {}
        for step, name, count in session.execute(chosen.order_by(TallyRow.step)):
            found.setdefault(step, {})[name.removeprefix("wrote/")] = count
    return found


def knows_operations(run_id: str) -> bool:
    """Whether the task of a run's episodes knows the right operation for each message."""
    with Session(database_engine()) as session:
        chosen = select(EpisodeRow).where(EpisodeRow.run_id == run_id).limit(1)
        row = session.execute(chosen).scalars().first()
        return bool(row and row.episode.example.meta.get("actions"))
