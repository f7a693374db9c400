"""Writes that say what nobody has stated: neither the section that was read nor the memory as it was."""

from __future__ import annotations

from collections.abc import Sequence

from memfactory_core.explain.statements import fact_of, sentences, untold
from memfactory_core.trace import Event, follow_writes
from memfactory_core.types import Example, Record


class Invention(Record):
    """The sentences of one write (number `seq`) that nobody has stated. `altered` are those whose subject was
    stated with another value, a slip in copying; `invented` are the others."""

    seq: int
    memory_id: str
    invented: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()


def find_inventions(example: Example, events: Sequence[Event]) -> dict[int, Invention]:
    """Each write that says what nobody has stated, by its number. What a bank held before counts as stated, so a
    sentence is blamed on the write that brought it and on no later one that copies it."""
    found: dict[int, Invention] = {}
    for event, sources in follow_writes(example, events):
        if new := untold(event.after or "", sources, example.question):
            altered = tuple(s for s in new if _is_about_one_of(s, sources))
            found[event.seq] = Invention(
                seq=event.seq, memory_id=event.memory_id or "", altered=altered,
                invented=tuple(s for s in new if s not in altered),
            )  # fmt: skip
    return found


def _is_about_one_of(sentence: str, sources: Sequence[str]) -> bool:
    fact = fact_of(sentence)
    if fact is None:
        return False
    known = (fact_of(told) for source in sources for told in sentences(source))
    return any(told is not None and told.key == fact.key for told in known)
