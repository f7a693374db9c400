"""Nearest neighbours of the question among the memories' vectors; the bank's own search where it
has one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from pydantic import Field

from memfactory_core.component import Part
from memfactory_core.embedders import Embedder
from memfactory_core.embedders.hashing import Hashing
from memfactory_core.episode import Context
from memfactory_core.retrievers import Retriever
from memfactory_core.retrievers.bm25 import top_hits
from memfactory_core.types import Hit, Memory

KEPT = 20_000
"""Vectors that are kept for each embedder; beyond that all are computed anew."""
_VECTORS: dict[Embedder, dict[str, np.ndarray]] = {}


class Dense(Retriever, kind="dense"):
    """Reads the memories whose vectors are nearest to the question's."""

    top_k: int = Field(5, ge=1, le=1000)
    """How many memories are read."""
    embedder: Part[Embedder] = Hashing()
    """How texts become vectors."""

    def retrieve(self, query: str, context: Context) -> list[Hit]:
        """The `top_k` memories with the highest cosine, those at 0 or below left out."""
        found = context.bank.search("vectors", (query, self.embedder), self.top_k)
        if found is not None:
            return [hit for hit in found if hit.score > 0]
        memories = context.bank.all()
        return top_hits(memories, cosines(self.embedder, query, memories), self.top_k, "dense")


def cosines(embedder: Embedder, query: str, memories: Sequence[Memory]) -> np.ndarray:
    """The cosine of the query with each memory, shape (memories,)."""
    if not memories:
        return np.zeros(0)
    return (
        matrix(embedder, tuple(memory.searched_text for memory in memories))
        @ vectors(embedder, [query])[0]
    )


def vectors(embedder: Embedder, texts: Sequence[str]) -> list[np.ndarray]:
    """The vectors of these texts; each text is embedded once."""
    kept = _VECTORS.setdefault(embedder, {})
    if len(kept) > KEPT:
        kept.clear()
    new = [text for text in dict.fromkeys(texts) if text not in kept]
    if new:
        kept.update(zip(new, embedder.embed(new), strict=True))
    return [kept[text] for text in texts]


@lru_cache(maxsize=4)
def matrix(embedder: Embedder, texts: tuple[str, ...]) -> np.ndarray:
    """The vectors of these texts as one matrix, kept while a bank does not change."""
    return np.stack(vectors(embedder, texts))
