"""Memory-R1 (arXiv 2508.19828): a manager decides for each fact what to do with the bank, an answer agent
selects among recalled memories and answers. Departure: 1. by default every message is a fact (`verbatim`);
the extractor `facts` asks the policy for them as the paper does."""

from __future__ import annotations

from typing import Literal

from memfactory_core.component import Part
from memfactory_core.extractors import Extractor
from memfactory_core.extractors.verbatim import Verbatim
from memfactory_core.paradigms import Paradigm
from memfactory_core.retrievers import Retriever
from memfactory_core.retrievers.bm25 import BM25
from memfactory_core.stores import Store
from memfactory_core.stores.ram import Ram
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
