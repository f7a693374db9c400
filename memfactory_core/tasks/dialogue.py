"""Conversations in which something is told, changed and taken back between chatter, and questions about
everything that was ever told. What must be done with each message is known, so that an updater's operations
can be judged: ADD what is new, UPDATE what changed, DELETE what was taken back, NOOP on the rest.

A bank that is small for the conversation makes each wrong decision cost: adding everything fills it, adding
a change beside the old fact leaves two that contradict each other."""

from __future__ import annotations

import random
from typing import NamedTuple

from pydantic import Field

from memfactory_core.language import Fact, Speaker, Split
from memfactory_core.tasks import Task
from memfactory_core.types import Evidence, Example, Question

UNKNOWN = "Unknown."


class Message(NamedTuple):
    """One message, what is right to do with it, and the fact it is about."""

    text: str
    action: str
    fact: Fact | None


class Dialogue(Task, kind="dialogue"):
    """Keep a bank true while facts are told, changed and taken back between chatter."""

    new: int = Field(3, ge=1, le=100)
    """How many facts are told."""
    changes: int = Field(1, ge=0, le=100)
    """How many of them are changed later."""
    retractions: int = Field(1, ge=0, le=100)
    """How many of the others are taken back later."""
    chatter: int = Field(2, ge=0, le=100)
    """How many messages state nothing."""
    near: float = Field(0.5, ge=0, le=1)
    """The share of near distractors: facts with the same person or the same attribute as another."""
    per_session: int = Field(1, ge=1, le=100)
    """How many messages are read at once."""

    def examples(self, count: int, seed: int, split: Split = "train") -> list[Example]:
        """`count` conversations; names of the split "heldout" are never seen in training."""
        return [self._example(index, seed, split) for index in range(count)]

    def _messages(
        self, rng: random.Random, speaker: Speaker
    ) -> tuple[list[Message], dict[Fact, str]]:
        """The conversation, and for each told fact its value at the end ("" where it was taken back)."""
        facts = speaker.facts(self.new, self.near)
        touched = rng.sample(range(len(facts)), min(len(facts), self.changes + self.retractions))
        changed, retracted = touched[: self.changes], touched[self.changes :]
        final = {fact: fact.value for fact in facts}
        slots: list[list[Message]] = [[Message(f.sentence, "add", f)] for f in facts]
        for index in changed:
            fact = facts[index]
            later = Fact(fact.entity, fact.attribute, speaker.name())
            slots[index].append(Message(later.sentence, "update", fact))
            final[fact] = later.value
        for index in retracted:
            slots[index].append(Message(facts[index].retraction, "delete", facts[index]))
            final[facts[index]] = ""
        slots += [[Message(speaker.chatter(), "noop", None)] for _ in range(self.chatter)]
        order = [index for index, slot in enumerate(slots) for _ in slot]
        rng.shuffle(order)
        queues = [iter(slot) for slot in slots]
        return [next(queues[index]) for index in order], final

    def _example(self, index: int, seed: int, split: Split) -> Example:
        rng = random.Random(f"dialogue {split} {seed} {index}")
        speaker = Speaker(rng, split)
        messages, final = self._messages(rng, speaker)
        groups = [
            messages[start : start + self.per_session]
            for start in range(0, len(messages), self.per_session)
        ]
        questions = [self._question(fact, value, messages) for fact, value in final.items()]
        rng.shuffle(questions)
        first, *others = questions
        return Example(
            id=f"dialogue-{split}-{seed}-{index}",
            observations=tuple("\n".join(m.text for m in group) for group in groups),
            question=first.question,
            answers=first.answers,
            evidence=first.evidence,
            others=tuple(others),
            meta={"actions": [m.action for m in messages]},
        )

    def _question(self, fact: Fact, value: str, messages: list[Message]) -> Question:
        if not value:
            return Question(question=fact.question, answers=(UNKNOWN,))
        current = Fact(fact.entity, fact.attribute, value)
        said = max(i for i, m in enumerate(messages) if m.text == current.sentence)
        evidence = Evidence(text=current.sentence, observation=said // self.per_session)
        return Question(
            question=fact.question, answers=(value, current.sentence), evidence=(evidence,)
        )
