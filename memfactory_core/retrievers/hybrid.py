"""BM25 and vectors, fused by reciprocal rank (Cormack et al., SIGIR 2009); the bank's own where it
has one."""

from __future__ import annotations

from pydantic import Field

from memfactory_core.component import Part
from memfactory_core.embedders import Embedder
from memfactory_core.embedders.hashing import Hashing
from memfactory_core.episode import Context
from memfactory_core.retrievers import Retriever
from memfactory_core.retrievers.bm25 import BM25, word_index
from memfactory_core.retrievers.dense import vector_index
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
        words, near = word_index(context.bank), vector_index(context.bank, self.embedder)
        parts = {"bm25": words.scores(query, BM25().k1, BM25().b), "dense": near.scores(query)}
        fused: dict[str, float] = {}
        for index, scores in zip((words, near), parts.values(), strict=True):
            for rank, place in enumerate(index.best(scores, pool), 1):
                name = index.at_place[place].id
                fused[name] = fused.get(name, 0.0) + 1 / (RANK + rank)
        # each index gives a memory that was changed another place; of equals the bank's first is read first
        order = {name: words.order.values[words.places[name]] for name in fused}
        best = sorted(fused, key=lambda name: (-fused[name], order[name]))[: self.top_k]
        return [
            Hit(
                memory=words.at_place[words.places[name]],
                score=fused[name],
                scores={
                    "bm25": float(parts["bm25"][words.places[name]]),
                    "dense": float(parts["dense"][near.places[name]]),
                    "rrf": fused[name],
                },
            )
            for name in best
        ]
