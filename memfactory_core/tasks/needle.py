"""Facts about invented people, spread over sections, and a question about one of them. Each example
carries its evidence, so that "stored", "kept to the end" and "read" are measured one by one."""

from __future__ import annotations

import random
from typing import ClassVar

from pydantic import Field

from memfactory_core.tasks.language import Split
from memfactory_core.tasks.spoken import Spoken
from memfactory_core.types import Example


class Needle(Spoken, kind="needle"):
    """Find and keep the one fact that the question will need among many that it will not."""

    main: ClassVar[tuple[str, ...]] = ("chunks", "facts_per_chunk")
    chunks: int = Field(3, ge=1, le=4096)
    """How many sections are read."""
    facts_per_chunk: int = Field(3, ge=1, le=64)
    """How many facts each section states."""
    near: float = Field(0.5, ge=0, le=1)
    """The share of near distractors: facts with the same person or the same attribute as another."""
    chatter: float = Field(0.0, ge=0, le=1)
    """The chance that a section also has a sentence that states nothing."""

    @property
    def sentences_at_once(self) -> int:
        """The facts of a section."""
        return self.facts_per_chunk

    def examples(self, count: int, seed: int, split: Split = "train") -> list[Example]:
        """`count` documents; names of the split "heldout" are never seen in training."""
        return [self._example(index, seed, split) for index in range(count)]

    def _example(self, index: int, seed: int, split: Split) -> Example:
        rng = random.Random(f"needle {split} {seed} {index}")
        speaker = self.speaker(rng, split)
        facts = speaker.facts(self.chunks * self.facts_per_chunk, self.near)
        rng.shuffle(facts)
        needle = rng.randrange(len(facts))
        observations = []
        for start in range(0, len(facts), self.facts_per_chunk):
            sentences = [fact.sentence for fact in facts[start : start + self.facts_per_chunk]]
            if rng.random() < self.chatter:
                sentences.insert(rng.randint(0, len(sentences)), speaker.chatter())
            observations.append(" ".join(sentences))
        fact = facts[needle]
        at = needle // self.facts_per_chunk
        return Example(
            id=f"needle-{split}-{seed}-{index}",
            observations=tuple(observations),
            question=fact.question,
            answers=fact.answers,
            evidence=(fact.evidence(at),),
            meta={"section": at, "sections": self.chunks},
        )
