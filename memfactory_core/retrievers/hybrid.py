"""BM25 and vectors, fused by reciprocal rank (Cormack et al., SIGIR 2009); the bank's own where it
has one."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from memfactory_core.component import Part
from memfactory_core.embedders import Embedder
from memfactory_core.embedders.hashing import Hashing
from memfactory_core.episode import Context
from memfactory_core.retrievers import Retriever
from memfactory_core.retrievers.bm25 import BM25
from memfactory_core.retrievers.dense import cosines
from memfactory_core.text import has_unspaced
from memfactory_core.types import Hit

RANK = 60
"""Added to every rank before it is inverted; LanceDB's value too."""


class Hybrid(Retriever, kind="hybrid"):
    """Reads the memories that stand high in the order by words and in the order by vectors."""

    top_k: int = Field(5, ge=1, le=1000)
    """How many memories are read."""
    pool: int = Field(50, ge=1, le=1000)
    """How many of the best of each order are fused."""
    embedder: Part[Embedder] = Hashing()
    """How texts become vectors."""

    def retrieve(self, query: str, context: Context) -> list[Hit]:
        """The `top_k` memories with the highest sum of 1 / (60 + rank); scores `bm25`, `dense`,
        `rrf`."""
        pool = max(self.pool, self.top_k)
        # the banks' own indexes of words cut at spaces
        own = not has_unspaced(query)
        found = context.bank.search("both", (query, self.embedder), pool) if own else None
        if found is not None:
            return found[: self.top_k]
        memories = context.bank.all()
        parts = {
            "bm25": BM25().scores(query, memories),
            "dense": cosines(self.embedder, query, memories),
        }
        fused = np.sum([reciprocal_ranks(scores, pool) for scores in parts.values()], axis=0)
        best = np.argsort(-fused, kind="stable")[: self.top_k]
        return [
            Hit(
                memory=memories[i],
                score=float(fused[i]),
                scores={**{name: float(s[i]) for name, s in parts.items()}, "rrf": float(fused[i])},
            )
            for i in best
            if fused[i] > 0
        ]


def reciprocal_ranks(scores: np.ndarray, pool: int) -> np.ndarray:
    """1 / (60 + rank) for the `pool` best that score above 0, ranks from 1; 0 for the others."""
    order = np.argsort(-scores, kind="stable")[:pool]
    order = order[scores[order] > 0]
    ranks = np.zeros(len(scores))
    ranks[order] = 1 / (RANK + np.arange(1, len(order) + 1))
    return ranks
