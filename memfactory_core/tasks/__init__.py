"""Tasks make examples: what is read, the question, the answers and, where known, the evidence."""

from __future__ import annotations

from abc import ABC, abstractmethod

from memfactory_core.component import Component
from memfactory_core.tasks.language import Split
from memfactory_core.types import Example


class Task(Component, ABC, family="tasks"):
    """What an agent has to remember, and for which questions."""

    @abstractmethod
    def examples(self, count: int, seed: int, split: Split = "train") -> list[Example]:
        """`count` examples, the same for the same seed. Tasks that read a file give what it holds, at most
        `count`, and ignore `split`: the file is split by each example's `text_id`, which they take from the
        record as it stands in the file, before anything is shuffled, cut or left out. Ids are unique, and the
        same for every seed and setting."""

    @property
    def sentences_at_once(self) -> int | None:
        """How many sentences its agents read at a time; None where a text may have any length."""
        return None

    def hear(self, sentence: str) -> str | None:
        """A sentence as its agents know it, None where it is of no kind that they know; here all are, for the task is
        told in ordinary language."""
        return sentence

    @property
    def sayings(self) -> tuple[str, ...]:
        """One sentence of each kind that its agents know; () where the task is told in ordinary language."""
        return ()

    def files(self) -> list[str]:
        """The data files that the task reads; their sha256 goes into the run's record."""
        return []
