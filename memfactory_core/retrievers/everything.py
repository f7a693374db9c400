"""The whole memory, for memories that are small enough to be read whole."""

from __future__ import annotations

from memfactory_core.episode import Context
from memfactory_core.retrievers import Retriever
from memfactory_core.types import Hit


class Everything(Retriever, kind="everything"):
    """Reads every memory, oldest first."""

    def retrieve(self, query: str, context: Context) -> list[Hit]:
        """All memories; the query is not used."""
        return [Hit(memory=memory, scores={"everything": 1.0}) for memory in context.bank.all()]
