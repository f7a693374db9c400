"""Nearest neighbours of the question among the memories' vectors; the bank's own search where it
has one."""

from __future__ import annotations

from pydantic import Field

from memfactory_core.component import Part
from memfactory_core.embedders import Embedder
from memfactory_core.embedders.hashing import Hashing
from memfactory_core.episode import Context
from memfactory_core.retrievers import Retriever
from memfactory_core.retrievers.bm25 import top_hits
from memfactory_core.retrievers.index import index_of
from memfactory_core.retrievers.vector_index import VectorIndex
from memfactory_core.stores import Memories
from memfactory_core.types import Hit


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
        index = vector_index(context.bank, self.embedder)
        return top_hits(index, index.scores(query), self.top_k, "dense")


def vector_index(bank: Memories, embedder: Embedder) -> VectorIndex:
    """The bank's index of vectors by an embedder, up to date."""
    return index_of(bank, embedder, VectorIndex, embedder)
