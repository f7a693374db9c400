"""A group's attempts side by side: where two part, and which memory is in which bank."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from memfactory_core.trace import Episode, replay
from memfactory_core.types import Record


class Row(Record):
    """One memory text and which of the attempts (by position) end with it in their bank."""

    text: str
    attempts: tuple[int, ...]


def parting(first: Episode, second: Episode) -> int | None:
    """The number of the first turn whose words differ; None where both said the same throughout."""
    for number, (a, b) in enumerate(zip_longest(first.turns, second.turns)):
        if a is None or b is None or a.completion.text != b.completion.text:
            return number
    return None


def aligned_banks(episodes: Sequence[Episode]) -> list[Row]:
    """Every memory text of the final banks, those that most attempts share first."""
    found: dict[str, list[int]] = {}
    for position, episode in enumerate(episodes):
        for memory in replay(episode.events).values():
            places = found.setdefault(memory.text, [])
            if position not in places:
                places.append(position)
    rows = [Row(text=text, attempts=tuple(places)) for text, places in found.items()]
    return sorted(rows, key=lambda row: (-len(row.attempts), row.attempts))
