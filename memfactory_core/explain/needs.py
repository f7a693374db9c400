"""What became of each memory and of each needed fact of an episode, computed from its trace."""

from __future__ import annotations

from memfactory_core.explain.causes import Finding
from memfactory_core.trace import Episode, Recalled, Wrote, holds, replay, snapshots
from memfactory_core.types import Memory, Record


class MemoryFate(Record):
    """The life of one memory: the events at which it was written, first and last read, and ended."""

    memory_id: str
    text: str
    written: int
    updates: int = 0
    reads: int = 0
    last_read: int | None = None
    ended: int | None = None
    needed_later: bool = False
    """It was deleted or overwritten, and what it said was needed for a question."""


class NeedFate(Record):
    """The life of one needed fact, counted in observations: told at `told`, in memory from `stored` on
    (None: never), gone from `lost` on (None: kept to the end)."""

    text: str
    told: int
    stored: int | None
    lost: int | None
    observations: int
    cause: str | None = None
    cause_seq: int | None = None


def memory_fates(episode: Episode) -> list[MemoryFate]:
    """One fate for each memory that was ever added, in the order of the adding."""
    fates: dict[str, dict] = {}
    bank: dict[str, Memory] = {}
    for event in episode.events:
        if isinstance(event, Recalled):
            for hit in event.hits:
                if fate := fates.get(hit.memory.id):
                    fate["reads"] += 1
                    fate["last_read"] = event.seq
        elif isinstance(event, Wrote) and event.memory_id:
            bank = replay([event], bank=bank)
            _live_on(fates, event, episode)
    return [MemoryFate(**fate) for fate in fates.values()]


def _live_on(fates: dict[str, dict], event: Wrote, episode: Episode) -> None:
    name = event.memory_id
    if event.action == "add":
        fates[name] = {
            "memory_id": name, "text": event.after or "", "written": event.seq, "reads": 0,
            "updates": 0,
        }  # fmt: skip
        return
    fate = fates.get(name or "")
    if fate is None or event.action not in ("update", "delete"):
        return
    before, after = event.before or "", event.after or ""
    if any(holds(before, item) and not holds(after, item) for item in episode.example.needed):
        fate["needed_later"] = True
    if event.action == "delete":
        fate["ended"] = event.seq
    else:
        fate["updates"] += 1
        fate["text"] = after


def need_fates(episode: Episode, findings: list[Finding]) -> list[NeedFate]:
    """One fate for each needed fact whose observation is known; its cause from `attribution.explain`."""
    causes = {f.evidence.text: f for f in findings if f.evidence is not None}
    texts = snapshots(episode)
    fates = []
    for item in episode.example.needed:
        if item.observation is None:
            continue
        held = [holds(text, item) for text in texts]
        stored = held.index(True) if any(held) else None
        last = max((i for i, here in enumerate(held) if here), default=None)
        finding = causes.get(item.text)
        fates.append(
            NeedFate(
                text=item.text, told=item.observation, stored=stored,
                lost=None if last is None or last == len(held) - 1 else last + 1,
                observations=len(texts), cause=finding.cause if finding else None,
                cause_seq=finding.seq if finding else None,
            )
        )  # fmt: skip
    return fates


def survival(fates: list[NeedFate]) -> list[tuple[int, float, int]]:
    """The share of needed facts still in memory after 0, 1, 2, ... further observations, and how many facts
    were followed that long: (observations since told, share alive, at risk). Facts told too late to be
    followed so far leave the count; it is no estimate beyond the longest follow-up."""
    curve = []
    longest = max((f.observations - 1 - f.told for f in fates), default=-1)
    for age in range(longest + 1):
        followed = [f for f in fates if f.told + age < f.observations]
        alive = sum(
            f.stored is not None
            and f.stored <= f.told + age
            and (f.lost is None or f.lost > f.told + age)
            for f in followed
        )
        curve.append((age, alive / len(followed), len(followed)))
    return curve
