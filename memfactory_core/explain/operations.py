"""What was right against what was done: for tasks that know the right operation for each message
(`meta["actions"]`, one for each write), how often which operation was carried out where which was right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast, get_args

from memfactory_core.trace import Episode, Wrote
from memfactory_core.types import Action

ORDER: tuple[str, ...] = get_args(Action)


def pairs(episode: Episode) -> list[tuple[str, str, int]]:
    """(right, done, number of the event) for each message; [] where the task does not know what was right, or there is
    not one write for each message."""
    right = episode.example.meta.get("actions") or ()
    writes = [event for event in episode.events if isinstance(event, Wrote)]
    if len(right) != len(writes):
        return []
    return [(one, event.action, event.seq) for one, event in zip(right, writes, strict=True)]


def find_decisions(
    episodes: Iterable[Episode], right: str, done: str
) -> Iterator[tuple[Episode, Wrote]]:
    """The writes at which one operation was right and another (or the same) was done, in the episodes' order."""
    for episode in episodes:
        for wanted, action, seq in pairs(episode):
            if (wanted, action) == (right, done):
                yield episode, cast(Wrote, episode.events[seq])


def confusion(episodes: Iterable[Episode]) -> dict[str, dict[str, int]]:
    """{right: {done: count}} over all messages, both in the order add, update, delete, noop, reject; zeros
    are there for every operation that was ever right or done. Episodes whose task does not know the right
    operations, or that have not one write for each message, are left out; {} where that leaves none."""
    counts: dict[tuple[str, str], int] = {}
    for episode in episodes:
        for right, done, _ in pairs(episode):
            counts[right, done] = counts.get((right, done), 0) + 1
    wanted = [action for action in ORDER if any(right == action for right, _ in counts)]
    seen = [action for action in ORDER if any(action in pair for pair in counts)]
    return {right: {done: counts.get((right, done), 0) for done in seen} for right in wanted}
