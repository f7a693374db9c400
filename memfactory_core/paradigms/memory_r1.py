"""Memory-R1 (arXiv 2508.19828): a manager decides for each fact what to do with the bank, an answer agent
selects among recalled memories and answers. Its own settings are here; `cites` is the answer agent's selection, the
retriever `speakers` the two banks, `trains` and the recipe's `roles` say which agent learns beside which frozen one.

Departures: 1. by default every message is a fact (`verbatim`); the extractor `facts` asks the policy for them as the
paper does; 2. with `temporal_bank` the turns before the linked one become memories as they stand, where the paper has a
large model write them.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Literal

from memfactory_core.component import Part
from memfactory_core.episode import Context, steps
from memfactory_core.extractors import Extractor
from memfactory_core.extractors.verbatim import Verbatim
from memfactory_core.paradigms import Paradigm
from memfactory_core.retrievers import Retriever
from memfactory_core.retrievers.bm25 import BM25
from memfactory_core.stores import Store
from memfactory_core.stores.ram import Ram
from memfactory_core.types import Op
from memfactory_core.updaters import Updater
from memfactory_core.updaters.crud import Crud


class MemoryR1(Paradigm, kind="memory_r1"):
    """A bank that is kept true by ADD, UPDATE, DELETE and NOOP (Memory-R1)."""

    store: Part[Store] = Ram()
    """Where memories live."""
    extractor: Part[Extractor] = Verbatim()
    """What is taken from each observation."""
    updater: Part[Updater] = Crud()
    """How facts become changes of the memory."""
    retriever: Part[Retriever] = BM25(top_k=60)
    """Which memories the answer is read from; the paper takes 60."""
    trains: Literal["both", "memory", "answer"] = "memory"
    """Whose turns are trained; the paper trains one agent while the other is frozen."""
    temporal_bank: bool = False
    """Where a question is linked to one turn (LoCoMo with `window`), the turns before it become memories as they are,
    and the manager decides on that turn alone: its reward then speaks of one decision, as in the paper. Conversations
    that are read whole are managed from their first turn."""

    def read(self, index: int, context: Context) -> Generator[Any, Any, None]:
        """Reads one observation into the memory; one that belongs to the temporal bank without a decision."""
        linked = context.example.meta.get("linked_turn")
        if not self.temporal_bank or linked is None or index >= linked:
            yield from super().read(index, context)
            return
        context.at = index
        facts = yield from steps(
            self.extractor.extract(context.example.observations[index], context)
        )
        context.apply([Op(action="add", text=fact) for fact in facts])
