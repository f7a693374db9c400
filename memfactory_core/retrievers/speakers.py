"""Memory-R1's two banks (arXiv 2508.19828): each speaker has memories of his own. While reading, the memories related
to a fact come from the bank of the one who said it; for an answer the best of each bank are read (30 of each of two in
the paper).

Departure: 1. one bank in the store; whose a memory is follows from the observation that it was last written from, so
that ids stay unique and the trace needs no second bank. Where nobody is named all is one bank."""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import replace
from typing import Any

from memfactory_core.component import Part
from memfactory_core.episode import Context, steps
from memfactory_core.retrievers import Retriever
from memfactory_core.retrievers.bm25 import BM25
from memfactory_core.stores import Bank
from memfactory_core.trace import Wrote
from memfactory_core.types import Hit, Memory, Op

_SPEAKER = re.compile(r"(?:\[[^\]\n]{0,80}\]\s)?([^:\n\[\]]{1,40}):\s")


class Speakers(Retriever, kind="speakers"):
    """Reads from each speaker's memories alike, and shows beside a fact only those of its speaker (Memory-R1)."""

    inner: Part[Retriever] = BM25(top_k=30)
    """How one speaker's memories are searched; the paper reads 30 of each of two."""

    def retrieve(self, query: str, context: Context) -> Generator[Any, Any, list[Hit]]:
        """The hits of each speaker's bank, one bank after the other in the order in which they appeared."""
        banks: dict[str, list[Memory]] = {}
        for memory in context.bank.all():
            banks.setdefault(speaker_of(memory, context), []).append(memory)
        reading = context.at is not None
        own = speaker_in(context.example.observations[context.at]) if context.at is not None else ""
        hits: list[Hit] = []
        for speaker, memories in banks.items():
            if not reading or speaker == own:
                # it shares turns and events, so that what its retriever asks is in the trace
                view = replace(context, _bank=_bank_of(speaker, memories, context))
                hits += yield from steps(self.inner.retrieve(query, view))
        return hits


def _bank_of(speaker: str, memories: list[Memory], context: Context) -> OneSpeaker:
    """The speaker's bank of the last recall, with what it holds now: its indexes stay with it."""
    kept = context.bank.kept
    bank: OneSpeaker = kept.setdefault(("speaker", speaker), OneSpeaker(context.bank.budget, []))
    bank.memories = {memory.id: memory for memory in memories}
    return bank


class OneSpeaker(Bank):
    """The memories of one speaker, to be searched."""

    def __init__(self, budget: int, memories: list[Memory]) -> None:
        self.budget = budget
        self.memories = {memory.id: memory for memory in memories}

    def get(self, memory_id: str) -> Memory | None:
        """One memory, or None."""
        return self.memories.get(memory_id)

    def all(self) -> list[Memory]:
        """Every memory in the order of creation."""
        return list(self.memories.values())

    def apply(self, op: Op, seq: int, source: int | None) -> Wrote:
        """A rejected output of a retriever inside is recorded; nothing else can be done here."""
        if op.action != "reject":
            raise TypeError("one speaker's memories are read-only")
        return Wrote(seq=seq, at=source, action="reject", after=op.text, reason=op.reason)


def speaker_of(memory: Memory, context: Context) -> str:
    """Who said what a memory was last written from; "" where that is not told."""
    told = context.example.observations
    known = memory.source is not None and memory.source < len(told)
    return speaker_in(told[memory.source or 0] if known else memory.text)


def speaker_in(text: str) -> str:
    """The name before the first colon of an observation, "" where there is none or several speak in it."""
    names = {found[1].strip() for line in text.splitlines() if (found := _SPEAKER.match(line))}
    return names.pop() if len(names) == 1 else ""
