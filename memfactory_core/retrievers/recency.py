"""The newest memories: the baseline that every learned retriever has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from memfactory_core.episode import Context
from memfactory_core.retrievers import Retriever
from memfactory_core.retrievers.index import Column, Index, index_of
from memfactory_core.types import Hit


class Recency(Retriever, kind="recency"):
    """Reads the memories that were written last."""

    top_k: int = Field(5, ge=1, le=1000)
    """How many memories are read."""

    def retrieve(self, query: str, context: Context) -> list[Hit]:
        """The `top_k` memories with the latest write, newest first; the score is the event's number."""
        index = index_of(context.bank, "recency", WriteIndex)
        newest = [index.at_place[place] for place in index.best(index.writes.values, self.top_k)]
        return [
            Hit(memory=m, score=m.updated, scores={"recency": float(m.updated)}) for m in newest
        ]


class WriteIndex(Index):
    """The number of each memory's last write, from 1."""

    def clear(self) -> None:
        """Forgets all."""
        super().clear()
        self.writes = Column(np.int64)

    def insert(self, first: int, texts: Sequence[str]) -> None:
        """Takes in the memories at the places from `first` on."""
        self.writes.extend(np.array([memory.updated + 1 for memory in self.at_place[first:]]))

    def remove(self, place: int, text: str) -> None:
        """Lets go of the memory at a place."""
