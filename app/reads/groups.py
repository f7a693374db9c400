"""Reads of the database for the memory debugger: groups, causes of wrong answers, fates of
memories. As in queries.py, only the columns that are shown, paged in SQL; each has its index."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from app.reads.episodes import LISTED_COLUMNS, database_engine, find_step_range
from memfactory_core.explain.needs import NeedFate
from memfactory_core.runs.tables import EpisodeRow, EventRow, MemoryRow, NeedRow
from memfactory_core.trace import Episode

SHOWN_MEMORY = 400
"""Characters of a memory that a list reads."""
MOST_BARS = 48
"""Bars of one chart, and steps whose operations are counted, at most."""
MOST_NEEDS = 2000
"""Needed facts that a survival curve is computed from at most."""
BEST_FIRST = ((EpisodeRow.reward + 0).desc(), EpisodeRow.id)
"""The order of a group's attempts."""
LOST_CAUSES = ("overwritten", "deleted", "merged_away")
"""Causes by which a fact that was in memory is gone when it is needed."""


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


def count_causes(run_id: str, phase: str) -> list[dict[str, Any]]:
    """Equal stretches of steps, at most BARS: first and last step, episodes kept, and how many
    failed of each cause."""
    start, end = find_step_range(run_id, phase)
    stretch = -(-(end - start + 1) // MOST_BARS)
    place = (EpisodeRow.step - start) // stretch
    with Session(database_engine()) as session:
        chosen = (
            select(place, EpisodeRow.cause, func.count())
            .where(EpisodeRow.run_id == run_id, EpisodeRow.phase == phase)
            .group_by(place, EpisodeRow.cause)
        )
        bars: dict[int, dict[str, Any]] = {}
        for number, cause, count in session.execute(chosen):
            first = start + number * stretch
            empty = {"first": first, "last": min(first + stretch - 1, end), "all": 0, "causes": {}}
            bar = bars.setdefault(number, empty)
            bar["all"] += count
            if cause:
                bar["causes"][cause] = count
    return [bars[number] for number in sorted(bars)]


def list_failures(
    run_id: str, phase: str, cause: str, steps: tuple[int, int], limit: int, offset: int = 0
) -> list[dict[str, Any]]:
    """One page of the episodes that failed of one cause within a stretch of steps, newest first."""
    columns = (*LISTED_COLUMNS, EpisodeRow.step, EpisodeRow.cause_seq)
    with Session(database_engine()) as session:
        chosen = (
            select(*columns)
            .where(*_failed(run_id, phase, cause, steps))
            .order_by(EpisodeRow.step.desc(), EpisodeRow.id)
            .limit(limit)
            .offset(offset)
        )
        return [dict(row) for row in session.execute(chosen).mappings()]


def count_failures(run_id: str, phase: str, cause: str, steps: tuple[int, int]) -> int:
    """How many episodes failed of one cause within a stretch of steps."""
    with Session(database_engine()) as session:
        of_cause = _failed(run_id, phase, cause, steps)
        return session.execute(select(func.count()).where(*of_cause)).scalar_one()


def _failed(run_id: str, phase: str, cause: str, steps: tuple[int, int]) -> tuple[Any, ...]:
    return (
        EpisodeRow.run_id == run_id, EpisodeRow.phase == phase, EpisodeRow.cause == cause,
        EpisodeRow.step.between(*steps),
    )  # fmt: skip


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


def list_needs(run_id: str, phase: str) -> list[NeedFate]:
    """What became of the needed facts of a phase, of the first NEEDS of them."""
    names = list(NeedFate.model_fields)
    with Session(database_engine()) as session:
        chosen = (
            select(*(getattr(NeedRow, name) for name in names))
            .where(NeedRow.run_id == run_id, NeedRow.phase == phase)
            .limit(MOST_NEEDS)
        )
        return [NeedFate(**row) for row in session.execute(chosen).mappings()]


def list_unread_memories(
    run_id: str, phase: str, limit: int, offset: int = 0
) -> list[dict[str, Any]]:
    """One page of the memories that were written and never read, newest first."""
    names = ("episode_id", "memory_id", "step", "written", "updates")
    text = func.substr(MemoryRow.text, 1, SHOWN_MEMORY).label("text")
    with Session(database_engine()) as session:
        chosen = (
            select(*(getattr(MemoryRow, name) for name in names), text)
            .where(MemoryRow.run_id == run_id, MemoryRow.phase == phase, MemoryRow.reads == 0)
            .order_by(MemoryRow.step.desc())
            .limit(limit)
            .offset(offset)
        )
        return [dict(row) for row in session.execute(chosen).mappings()]


def count_memories(run_id: str, phase: str, unread: bool = False) -> int:
    """How many memories were written in a phase, or written and never read."""
    chosen = select(func.count()).where(MemoryRow.run_id == run_id, MemoryRow.phase == phase)
    if unread:
        chosen = chosen.where(MemoryRow.reads == 0)
    with Session(database_engine()) as session:
        return session.execute(chosen).scalar_one()


def list_lost_facts(run_id: str, phase: str, limit: int, offset: int = 0) -> list[dict[str, Any]]:
    """One page of the facts that were in memory, were lost and then needed, newest first."""
    names = ("episode_id", "step", "text", "told", "cause", "cause_seq")
    with Session(database_engine()) as session:
        chosen = (
            select(*(getattr(NeedRow, name) for name in names))
            .where(NeedRow.run_id == run_id, NeedRow.phase == phase, NeedRow.cause.in_(LOST_CAUSES))
            .order_by(NeedRow.step.desc())
            .limit(limit)
            .offset(offset)
        )
        return [dict(row) for row in session.execute(chosen).mappings()]


def count_needs(run_id: str, phase: str, were_lost: bool = False) -> int:
    """How many needed facts a phase followed, or how many of them were lost before they were
    needed."""
    chosen = select(func.count()).where(NeedRow.run_id == run_id, NeedRow.phase == phase)
    if were_lost:
        chosen = chosen.where(NeedRow.cause.in_(LOST_CAUSES))
    with Session(database_engine()) as session:
        return session.execute(chosen).scalar_one()
