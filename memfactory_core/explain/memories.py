"""The life of each memory of an episode: when it was written, changed, read and ended, computed from the trace."""

from __future__ import annotations

from typing import Any

from memfactory_core.trace import Episode, Holding, Recalled, Wrote, follow_facts
from memfactory_core.types import Evidence, Record


class MemoryLife(Record):
    """The life of one memory: the events at which it was written, last read and ended, and how often it was
    updated and read."""

    memory_id: str
    text: str
    written: int
    updates: int = 0
    reads: int = 0
    last_read: int | None = None
    ended: int | None = None
    needed_later: bool = False
    """A write of it took a needed fact out of memory."""


def memory_lives(
    episode: Episode, holdings: dict[Evidence, Holding] | None = None
) -> list[MemoryLife]:
    """One life for each memory that was ever added, in the order of the adding. `holdings` is what
    `trace.follow_facts` found, where it is known already."""
    if holdings is None:
        holdings = follow_facts(episode.example, episode.events)
    losses = {stay.until for holding in holdings.values() for stay in holding.stays}
    lives: dict[str, dict[str, Any]] = {}
    for event in episode.events:
        if isinstance(event, Recalled):
            for hit in event.hits:
                if life := lives.get(hit.memory.id):
                    life["reads"] += 1
                    life["last_read"] = event.seq
        elif isinstance(event, Wrote) and event.memory_id:
            _live_on(lives, event, event.memory_id, event.seq in losses)
    return [MemoryLife(**life) for life in lives.values()]


def _live_on(lives: dict[str, dict[str, Any]], event: Wrote, name: str, loses: bool) -> None:
    if event.action == "add":
        lives[name] = {
            "memory_id": name, "text": event.after or "", "written": event.seq, "reads": 0,
            "updates": 0,
        }  # fmt: skip
        return
    life = lives.get(name)
    if life is None or event.action not in ("update", "delete"):
        return
    if loses:
        life["needed_later"] = True
    if event.action == "delete":
        life["ended"] = event.seq
    else:
        life["updates"] += 1
        life["text"] = event.after or ""
