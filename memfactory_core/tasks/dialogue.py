"""Conversations in which something is told, changed and taken back between chatter, and questions about
everything that was ever told. What must be done with each message is known, so that an updater's operations
can be judged: ADD what is new, UPDATE what changed, DELETE what was taken back, NOOP on the rest.

A bank that is small for the conversation makes each wrong decision cost: adding everything fills it, adding
a change beside the old fact leaves two that contradict each other."""

from __future__ import annotations

import random
from typing import ClassVar, NamedTuple

from pydantic import Field, model_validator

from memfactory_core.tasks.language import Fact, Split
from memfactory_core.tasks.spoken import AnySpeaker, Spoken
from memfactory_core.types import Example, Question

UNKNOWN = "Unknown."


class Message(NamedTuple):
    """One message, what is right to do with it, and the fact it is about."""

    text: str
    action: str
    fact: Fact | None


class Dialogue(Spoken, kind="dialogue"):
    """Keep a bank true while facts are told, changed and taken back between chatter."""

    main: ClassVar[tuple[str, ...]] = ("new", "changes")
    new: int = Field(3, ge=1, le=100)
    """How many facts are told."""
    changes: int = Field(1, ge=0, le=100)
    """How many of them are changed later."""
    retractions: int = Field(1, ge=0, le=100)
    """How many of the others are taken back later."""
    chatter: int = Field(2, ge=0, le=100)
    """How many messages state nothing."""
    vary: bool = False
    """Whether each conversation draws its own numbers, up to these: at least one fact, and none or more of
    the rest. In a short one it is plain which decision the answer hung on."""
    alive: int | None = Field(None, ge=1, le=100)
    """How many facts are true at one time at most; a bank of that size is enough where each decision is
    right, and each slot that is wasted costs a fact. None: no bound."""
    near: float = Field(0.5, ge=0, le=1)
    """The share of near distractors: facts with the same person or the same attribute as another."""
    per_session: int = Field(1, ge=1, le=100)
    """How many messages are read at once."""

    @model_validator(mode="after")
    def _room(self) -> Dialogue:
        # Where conversations differ, the fullest is the one with the fewest retractions.
        sure = min(self.retractions, max(0, self.new - self.changes))
        left = self.new - (0 if self.vary else sure)
        if self.alive is not None and self.alive < left:
            raise ValueError(
                f"{left} facts are true at the end, more than alive={self.alive} allows"
            )
        return self

    @property
    def sentences_at_once(self) -> int:
        """The messages of a session."""
        return self.per_session

    def examples(self, count: int, seed: int, split: Split = "train") -> list[Example]:
        """`count` conversations; names of the split "heldout" are never seen in training."""
        return [self._example(index, seed, split) for index in range(count)]

    def _counts(self, rng: random.Random) -> tuple[int, int, int, int]:
        most = (self.new, self.changes, self.retractions, self.chatter)
        if not self.vary:
            return most
        new = rng.randint(1, self.new)
        changes, retractions, chatter = (rng.randint(0, count) for count in most[1:])
        return new, changes, retractions, chatter

    def _messages(
        self, rng: random.Random, speaker: AnySpeaker
    ) -> tuple[list[Message], dict[Fact, Fact | None]]:
        """The conversation, and for each told fact what is true at its end, None where it was taken back."""
        new, changes, retractions, chatter = self._counts(rng)
        facts = speaker.facts(new, self.near)
        fates = ["change"] * changes + ["retraction"] * retractions
        fates = rng.sample(fates, min(len(fates), new))
        touched = dict(zip(rng.sample(range(new), len(fates)), fates, strict=True))
        changed = [index for index, fate in touched.items() if fate == "change"]
        retracted = [index for index, fate in touched.items() if fate == "retraction"]
        final: dict[Fact, Fact | None] = {fact: fact for fact in facts}
        slots: list[list[Message]] = [[Message(f.sentence, "add", f)] for f in facts]
        for index in changed:
            fact = facts[index]
            later = speaker.change(fact)
            slots[index].append(Message(later.sentence, "update", fact))
            final[fact] = later
        for index in retracted:
            slots[index].append(Message(facts[index].retraction, "delete", facts[index]))
            final[facts[index]] = None
        slots += [[Message(speaker.chatter(), "noop", None)] for _ in range(chatter)]
        return self._in_some_order(slots, len(facts), set(retracted), rng), final

    def _in_some_order(
        self, slots: list[list[Message]], facts: int, retracted: set[int], rng: random.Random
    ) -> list[Message]:
        """The messages of all slots in random order, each slot's own order kept, with no more than `alive`
        facts true at one time; the first `facts` slots tell facts, and those in `retracted` end theirs."""
        limit = self.alive or facts
        queues = [list(slot) for slot in slots]
        passing, staying, order = 0, 0, []
        while left := [index for index, queue in enumerate(queues) for _ in queue]:
            index = rng.choice(left)
            action = queues[index][0].action
            if action == "add":
                # The last free place is kept for facts that will leave it again.
                waiting = any(len(queues[i]) == len(slots[i]) for i in retracted - {index})
                room = limit - (index not in retracted and waiting)
                if passing + staying >= room:
                    continue
                passing += index in retracted
                staying += index not in retracted
            passing -= action == "delete"
            order.append(queues[index].pop(0))
        return order

    def _example(self, index: int, seed: int, split: Split) -> Example:
        rng = random.Random(f"dialogue {split} {seed} {index}")
        speaker = self.speaker(rng, split)
        messages, final = self._messages(rng, speaker)
        groups = [
            messages[start : start + self.per_session]
            for start in range(0, len(messages), self.per_session)
        ]
        questions = [self._question(fact, last, messages) for fact, last in final.items()]
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

    def _question(self, fact: Fact, last: Fact | None, messages: list[Message]) -> Question:
        if last is None:
            return Question(question=fact.question, answers=(UNKNOWN,))
        said = max(i for i, m in enumerate(messages) if m.text == last.sentence)
        evidence = last.evidence(said // self.per_session)
        return Question(question=last.question, answers=last.answers, evidence=(evidence,))
