"""The settings of the two modes of a run that need no policy: comparing retrievers, training the linear reranker."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from memfactory_core.component import Part, Settings
from memfactory_core.retrievers import Retriever
from memfactory_core.stores import Store
from memfactory_core.stores.ram import Ram


class Retrieval(Settings):
    """Which retrievers are compared, in the modes `retrieve` and `rerank`."""

    retrievers: tuple[Part[Retriever], ...] = ()
    """The retrievers to compare: kinds, or tables of a kind with settings; a kind may come several times."""
    ks: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = (5, 10, 20)
    """Cut-offs of recall and NDCG."""
    store: Part[Store] = Ram(capacity=1_000_000, budget=100_000_000)
    """Where the memories lie while they are searched."""


class Reranking(Settings):
    """How the linear reranker is trained, in the mode `rerank` (RMM, arXiv 2503.08026)."""

    examples: int = Field(100_000, ge=1, le=10_000_000)
    """Questions to learn from, at most."""
    steps: int = Field(1000, ge=1, le=1_000_000)
    """Updates; each sees a batch of questions."""
    batch: int = Field(4, ge=1, le=1024)
    """Questions in each update."""
    learning_rate: float = Field(1e-3, gt=0, le=10)
    """Step size (eta)."""
    temperature: float = Field(0.5, gt=0, le=100)
    """Divides the scores before the draw (tau); smaller draws the best more often."""
    baseline: float | Literal["mean"] = 0.5
    """What is subtracted from +1 and -1 (b); "mean" is the running mean of what was earned."""
    likelihood: Literal["noisy", "drawn"] = "noisy"
    """The probability that is followed: the paper's softmax with noise, or that of the draw itself."""
    map_rate: float | None = Field(None, ge=0, le=10)
    """Step size of the two maps; none is that of the features, 0 leaves the maps as they are."""
    alone: tuple[Literal["maps", "features"], ...] = ()
    """What is also trained without the other and measured in the same run."""
