"""RMM (arXiv 2503.08026): memories by topic, written at each session's end (prospective reflection), and a
reranker that learns which of them are useful (retrospective reflection). `rerank_linear` is the paper's,
`rerank_llm` the reference framework's."""

from __future__ import annotations

from memfactory_core.component import Part
from memfactory_core.extractors import Extractor
from memfactory_core.extractors.topics import Topics
from memfactory_core.paradigms import Paradigm
from memfactory_core.retrievers import Retriever
from memfactory_core.retrievers.rerank_llm import RerankLLM
from memfactory_core.stores import Store
from memfactory_core.stores.ram import Ram
from memfactory_core.updaters import Updater
from memfactory_core.updaters.merge import Merge


class RMM(Paradigm, kind="rmm"):
    """Memories by topic and a learned choice of what is read (RMM)."""

    store: Part[Store] = Ram()
    """Where memories live."""
    extractor: Part[Extractor] = Topics()
    """What is taken from each observation."""
    updater: Part[Updater] = Merge()
    """How facts become changes of the memory."""
    retriever: Part[Retriever] = RerankLLM()
    """Which memories the answer is read from."""
