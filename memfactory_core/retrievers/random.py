"""Memories drawn by chance: the floor below every other retriever."""

from __future__ import annotations

from random import Random

from pydantic import Field

from memfactory_core.episode import Context
from memfactory_core.retrievers import Retriever
from memfactory_core.types import Hit, Seed


class RandomDraw(Retriever, kind="random"):
    """Reads memories drawn by chance."""

    top_k: int = Field(5, ge=1, le=1000)
    """How many memories are read."""
    seed: Seed = 0
    """Seed of the draw; the same question draws the same memories."""

    def retrieve(self, query: str, context: Context) -> list[Hit]:
        """`top_k` memories in the order they were drawn."""
        memories = context.bank.all()
        draw = Random(f"{self.seed} {query}").sample(memories, min(self.top_k, len(memories)))
        return [Hit(memory=memory, scores={"drawn": 1.0}) for memory in draw]
