"""The untrained baseline of every comparison: keep everything, retrieve, answer. With the retriever
`everything` it is the full context."""

from __future__ import annotations

from memfactory_core.component import Part
from memfactory_core.extractors import Extractor
from memfactory_core.extractors.verbatim import Verbatim
from memfactory_core.paradigms import Paradigm
from memfactory_core.retrievers import Retriever
from memfactory_core.retrievers.bm25 import BM25
from memfactory_core.stores import Store
from memfactory_core.stores.ram import Ram
from memfactory_core.updaters import Updater
from memfactory_core.updaters.append import Append


class Retrieval(Paradigm, kind="retrieval"):
    """Keeps everything and retrieves: the baseline without a memory decision."""

    store: Part[Store] = Ram()
    """Where memories live."""
    extractor: Part[Extractor] = Verbatim()
    """What is taken from each observation."""
    updater: Part[Updater] = Append()
    """How facts become changes of the memory."""
    retriever: Part[Retriever] = BM25()
    """Which memories the answer is read from."""
