"""MemAgent (arXiv 2507.02259): a long text is read section by section in fresh contexts; one bounded memory
is overwritten whole each time; the answer is given from the memory alone."""

from __future__ import annotations

from memfactory_core.component import Part
from memfactory_core.extractors import Extractor
from memfactory_core.extractors.verbatim import Verbatim
from memfactory_core.paradigms import Paradigm
from memfactory_core.retrievers import Retriever
from memfactory_core.retrievers.everything import Everything
from memfactory_core.stores import Store
from memfactory_core.stores.buffer import Buffer
from memfactory_core.updaters import Updater
from memfactory_core.updaters.overwrite import Overwrite


class MemAgent(Paradigm, kind="memagent"):
    """Reads section by section and overwrites one bounded memory (MemAgent)."""

    store: Part[Store] = Buffer()
    """Where memories live."""
    extractor: Part[Extractor] = Verbatim()
    """What is taken from each observation."""
    updater: Part[Updater] = Overwrite()
    """How facts become changes of the memory."""
    retriever: Part[Retriever] = Everything()
    """Which memories the answer is read from."""
