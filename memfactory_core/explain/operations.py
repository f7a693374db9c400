"""What was right against what was done: for tasks that know the right operation for each message
(`meta["actions"]`, one for each write), how often which operation was carried out where which was right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import get_args

from sqlalchemy import Engine, func
from sqlmodel import Session, select

from memfactory_core.runs.database import EpisodeRow
from memfactory_core.trace import Episode, Wrote
from memfactory_core.types import Action

ORDER: tuple[str, ...] = get_args(Action)
AT_ONCE = 64
"""Episodes that are unpacked at a time."""


def confusion(episodes: Iterable[Episode]) -> dict[str, dict[str, int]]:
    """{right: {done: count}} over all messages, both in the order add, update, delete, noop, reject; zeros
    are there for every operation that was ever right or done. Episodes whose task does not know the right
    operations, or that have not one write for each message, are left out; {} where that leaves none."""
    counts: dict[tuple[str, str], int] = {}
    for episode in episodes:
        right = episode.example.meta.get("actions") or ()
        done = [event.action for event in episode.events if isinstance(event, Wrote)]
        if len(right) == len(done):
            for pair in zip(right, done, strict=True):
                counts[pair] = counts.get(pair, 0) + 1
    wanted = [action for action in ORDER if any(right == action for right, _ in counts)]
    seen = [action for action in ORDER if any(action in pair for pair in counts)]
    return {right: {done: counts.get((right, done), 0) for done in seen} for right in wanted}


def recorded(
    engine: Engine, run_id: str, phase: str, first: int = 0, last: int | None = None,
    limit: int = 1000,
) -> Iterator[Episode]:  # fmt: skip
    """The episodes kept of a phase (train, before/greedy, after/sampled, ...) from step `first` to step `last`.
    Where there are more than `limit`, whole steps are taken, evenly spread; a few bodies are read at a
    time."""
    place = [EpisodeRow.run_id == run_id, EpisodeRow.phase == phase, EpisodeRow.step >= first]
    if last is not None:
        place.append(EpisodeRow.step <= last)
    with Session(engine) as session:
        counts = select(EpisodeRow.step, func.count()).where(*place).group_by(EpisodeRow.step)
        steps = session.exec(counts.order_by(EpisodeRow.step)).all()
        total = sum(count for _, count in steps)
        every = max(1, -(-total // limit))
        taken = [step for step, _ in steps[(len(steps) - 1) % every :: every]]  # the last one is in
        chosen = (
            select(EpisodeRow.id)
            .where(EpisodeRow.run_id == run_id, EpisodeRow.phase == phase)
            .where(EpisodeRow.step.in_(taken))
            .order_by(EpisodeRow.step, EpisodeRow.group_id)
            .limit(limit)
        )
        names = session.exec(chosen).all()
    for start in range(0, len(names), AT_ONCE):
        with Session(engine) as session:
            some = names[start : start + AT_ONCE]
            here = (EpisodeRow.run_id == run_id, EpisodeRow.id.in_(some))
            rows = session.exec(select(EpisodeRow).where(*here).order_by(EpisodeRow.step)).all()
        yield from (row.episode for row in rows)
