"""The newest memories: the baseline that every learned retriever has to beat."""

from __future__ import annotations

from pydantic import Field

from memfactory_core.episode import Context
from memfactory_core.retrievers import Retriever
from memfactory_core.types import Hit


class Recency(Retriever, kind="recency"):
    """Reads the memories that were written last."""

    top_k: int = Field(5, ge=1, le=1000)
    """How many memories are read."""

    def retrieve(self, query: str, context: Context) -> list[Hit]:
        """The `top_k` memories with the latest write, newest first; the score is the event's number."""
        newest = sorted(context.bank.all(), key=lambda memory: memory.updated, reverse=True)
        return [
            Hit(memory=m, score=m.updated, scores={"recency": float(m.updated)})
            for m in newest[: self.top_k]
        ]
