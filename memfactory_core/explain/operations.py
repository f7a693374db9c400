"""What was right against what was done: for tasks that know the right operation for each message
(`meta["actions"]`, one for each write), how often which operation was carried out where which was right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast, get_args

from memfactory_core.text import telling
from memfactory_core.trace import Episode, Wrote, replay
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


def new_facts(episodes: Iterable[Episode]) -> tuple[tuple[int, int], tuple[int, int]]:
    """(added, all) of the new facts that share a telling word with a memory held when they were told, and of the
    others: who takes likeness for sameness adds the others alone. Zeros where the task does not know what is new."""
    added, total = [0, 0], [0, 0]
    for episode in episodes:
        for right, done, seq in pairs(episode):
            at = episode.events[seq].at
            if right != "add" or at is None:
                continue
            said = telling(episode.example.observations[at])
            alike = any(said & telling(one.text) for one in replay(episode.events[:seq]).values())
            total[alike] += 1
            added[alike] += done == "add"
    return (added[True], total[True]), (added[False], total[False])


def tell_new_facts(episodes: Iterable[Episode]) -> str:
    """`new_facts` in a sentence; "" where there are not both kinds."""
    (alike, alikes), (other, others) = new_facts(episodes)
    if not alikes or not others:
        return ""
    return (
        f"Of {others:,} new facts that share no word with a memory {other / others:.0%} were added, "
        f"of {alikes:,} that do {alike / alikes:.0%}."
    )
