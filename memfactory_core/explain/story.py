"""What happened in an episode, section by section: what was read, what was written, and the fate of
each needed fact. Plain data from the trace; no widget, no markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from memfactory_core.trace import Episode, Event, Failed, Recalled, Wrote, holds, replay
from memfactory_core.types import Evidence, Example, Memory

Fate = Literal["unread", "kept", "missed", "lost", "gone"]
"""Of a needed fact after a section: not read yet; in memory; read here and not written; lost here;
lost or missed earlier."""


@dataclass(frozen=True)
class Section:
    """One observation: its text, the writes it led to, the memory before and after, and each needed
    fact's fate, in the order of the example's evidence."""

    index: int
    text: str
    writes: tuple[Wrote, ...]
    before: tuple[Memory, ...]
    after: tuple[Memory, ...]
    fates: tuple[Fate, ...]


def sections(example: Example, events: Sequence[Event]) -> list[Section]:
    """One entry for each observation that has been read so far."""
    last = max((event.at for event in events if event.at is not None), default=-1)
    found: list[Section] = []
    bank: dict[str, Memory] = {}
    fates: tuple[Fate, ...] = ("unread",) * len(example.needed)
    for index in range(min(last + 1, len(example.observations))):
        here = [event for event in events if event.at == index]
        before, bank = tuple(bank.values()), replay(here, bank=bank)
        after = tuple(bank.values())
        text = " ".join(memory.text for memory in after)
        fates = tuple(
            _fate(item, fate, text, read_at(example, item) == index)
            for item, fate in zip(example.needed, fates, strict=True)
        )
        writes = tuple(event for event in here if isinstance(event, Wrote))
        found.append(Section(index, example.observations[index], writes, before, after, fates))
    return found


def read_at(example: Example, item: Evidence) -> int | None:
    """The index of the observation that states a needed fact, None where none does."""
    if item.observation is not None:
        return item.observation
    stated = (i for i, text in enumerate(example.observations) if holds(text, item))
    return next(stated, None)


def _fate(item: Evidence, before: Fate, memory: str, read_now: bool) -> Fate:
    if holds(memory, item):
        return "kept"
    if before == "kept":
        return "lost"
    if read_now:
        return "missed"
    return "unread" if before == "unread" else "gone"


def tell(episode: Episode) -> str:
    """One or two sentences: what became of the needed facts, and of the answer."""
    failure = next((e.error for e in episode.events if isinstance(e, Failed)), None)
    if failure:
        return f"A part failed and the episode ended there: {failure}"
    right = _answers_in_words(episode)
    if not episode.example.needed:
        return right or "This task does not say which facts were needed."
    told = sections(episode.example, episode.events)
    several = len(episode.example.needed) > 1
    parts = [
        f"{f'Needed fact {i + 1}' if several else 'The needed fact'} "
        f"{_fate_in_words(episode.example, told, i)}."
        for i in range(len(episode.example.needed))
    ]
    return " ".join([*parts, right]).strip()


def _answers_in_words(episode: Episode) -> str:
    share, asked = episode.scores.get("exact_match"), len(episode.example.questions)
    if share is None:
        return ""
    if asked > 1:
        return f"{round(share * asked)} of {asked} answers are right."
    lost = episode.example.needed and episode.scores.get("kept") != 1
    verdict = "wrong" if share < 1 else "right all the same" if lost else "right"
    return f"The answer is {verdict}."


def _fate_in_words(example: Example, told: Sequence[Section], which: int) -> str:
    place = read_at(example, example.needed[which])
    if place is None:
        return "is not stated in any section"
    if place >= len(told):
        return f"stands in section {place + 1}, which was not read"
    fates = [section.fates[which] for section in told]
    if "kept" not in fates:
        refused = any(write.action == "reject" for write in told[place].writes)
        why = "; the write was rejected" if refused else ""
        return f"was read in section {place + 1} and never written{why}"
    written = fates.index("kept")
    there = "written" if written == place else f"written in section {written + 1}"
    start = f"was read in section {place + 1}, {there}"
    if fates[-1] == "kept":
        return f"{start} and kept to the end"
    lost = max(i for i, fate in enumerate(fates) if fate == "lost")
    verb = "deleted" if _deleted(told[lost], example.needed[which]) else "overwritten"
    return f"{start}, and {verb} in section {lost + 1}"


def _deleted(section: Section, item: Evidence) -> bool:
    return any(w.action == "delete" and holds(w.before or "", item) for w in section.writes)


def recalled(events: Sequence[Event]) -> list[Recalled]:
    """What was read from memory to answer."""
    return [event for event in events if isinstance(event, Recalled) and event.at is None]
