"""One episode's trace as the rules for causes ask about it: each view is computed once for all its questions."""

from __future__ import annotations

from functools import cached_property

from memfactory_core.explain.inventions import Invention, find_inventions
from memfactory_core.explain.statements import sentences
from memfactory_core.rewards.answers import extract_answer
from memfactory_core.text import words
from memfactory_core.trace import (
    Asked,
    Episode,
    Holding,
    Recalled,
    Wrote,
    follow_facts,
    holds,
    replay,
)
from memfactory_core.types import Evidence


class Trail:
    """The views of one episode. Nothing here judges; the rules do."""

    def __init__(self, episode: Episode) -> None:
        self.episode = episode
        self.observations = episode.example.observations

    @cached_property
    def holdings(self) -> dict[Evidence, Holding]:
        """What memory held of each needed fact."""
        return follow_facts(self.episode.example, self.episode.events)

    @cached_property
    def inventions(self) -> dict[int, Invention]:
        """The writes that say what nobody has stated."""
        return find_inventions(self.episode.example, self.episode.events)

    @cached_property
    def final(self) -> dict[str, str]:
        """The memories at the end by id."""
        return {memory.id: memory.text for memory in replay(self.episode.events).values()}

    @cached_property
    def final_words(self) -> list[frozenset[str]]:
        """The words of each memory at the end."""
        return [frozenset(words(text)) for text in self.final.values()]

    @cached_property
    def final_sentences(self) -> list[tuple[str, str]]:
        """(memory id, sentence) of all memories at the end."""
        return [(name, one) for name, text in self.final.items() for one in sentences(text)]

    @cached_property
    def _writes(self) -> dict[int | None, list[Wrote]]:
        found: dict[int | None, list[Wrote]] = {}
        for event in self.episode.events:
            if isinstance(event, Wrote):
                found.setdefault(event.at, []).append(event)
        return found

    def writes_at(self, observation: int | None) -> list[Wrote]:
        """The writes that an observation led to."""
        return self._writes.get(observation, [])

    @cached_property
    def extractions(self) -> list[Asked]:
        """The questions to an extractor."""
        return [e for e in self.episode.events if isinstance(e, Asked) and e.role == "extract"]

    @cached_property
    def _recalls(self) -> dict[str, list[Recalled]]:
        found: dict[str, list[Recalled]] = {}
        for event in self.episode.events:
            if isinstance(event, Recalled) and event.at is None:
                found.setdefault(event.query, []).append(event)
        return found

    def recalls_for(self, question: str) -> list[Recalled]:
        """What was read to answer a question, in order: the last one is what the answer was read from."""
        return self._recalls.get(question, [])

    def recalls_before(self, event: Recalled) -> list[Recalled]:
        """What was recalled for other questions, in the answering, before an event."""
        recalls = (e for several in self._recalls.values() for e in several)
        return [e for e in recalls if e.seq < event.seq]

    def memories_read(self, question: str) -> set[str]:
        """The ids of the memories at the end that the answer could be read from: all where nothing was recalled."""
        recalls = self.recalls_for(question)
        return {hit.memory.id for hit in recalls[-1].hits} if recalls else set(self.final)

    @cached_property
    def answers(self) -> list[str]:
        """The episode's answers, one for each question that was reached."""
        return [self.episode.answer, *self.episode.other_answers]

    def answer(self, index: int) -> str:
        """What was answered to a question, boxes and other dressing off."""
        return extract_answer(self.answers[index]) if index < len(self.answers) else ""

    @cached_property
    def _answered(self) -> list[Asked]:
        return [e for e in self.episode.events if isinstance(e, Asked) and e.role == "answer"]

    def answered(self, index: int) -> Asked | None:
        """The question to the policy that led to an answer, None where it was not reached."""
        return self._answered[index] if index < len(self._answered) else None

    def said(self, event: Asked) -> str:
        """What the policy said to a question."""
        return self.episode.turns[event.index].completion.text

    def decision(self, observation: int, sentence: str) -> Wrote | None:
        """The write in which it was decided what to do with a sentence that an observation told: the one that
        holds it, else the one whose prompt showed it last, else the first; None where nothing was written."""
        writes, item = self.writes_at(observation), Evidence(text=sentence)
        for event in writes:
            if holds(event.after or "", item):
                return event
        for event in writes:
            turn = self.episode.turns[event.turn - 1] if event.turn else None
            if turn and turn.messages and holds(turn.messages[-1]["content"], item):
                return event
        return writes[0] if writes else None

    def inventor(self, memory_id: str, sentence: str) -> int | None:
        """The write that brought a sentence nobody has stated into a memory; None where it was stated."""
        for event in reversed(self.inventions.values()):
            if event.memory_id == memory_id and sentence in event.invented:
                return event.seq
        return None
