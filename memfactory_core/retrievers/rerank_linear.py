"""RMM's reranker (arXiv 2503.08026): residual linear maps of question and memory vectors, q' = q +
Wq q, m' = m + Wm m, score q'.m'; the best M of K candidates are read. It is trained by
`memfactory_core.training.reranker`, in seconds and without a language model.

Departure: 1. with `features`, weighed facts about question and memory are added to the score (rank
by words, the neighbours' words, who speaks, ...), for hashed vectors know no meaning; off is the
paper's.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from memfactory_core.component import Part
from memfactory_core.embedders import Embedder
from memfactory_core.embedders.hashing import Hashing
from memfactory_core.episode import Context
from memfactory_core.errors import ConfigError
from memfactory_core.retrievers import Retriever
from memfactory_core.retrievers.bm25 import BM25
from memfactory_core.retrievers.facts import AROUND, FEATURES, measure_facts
from memfactory_core.retrievers.vector_index import vectors
from memfactory_core.types import Hit

START = {"words": 4.0}
"""Weights of the facts before training, others 0: the order by words."""


@dataclass(frozen=True)
class Candidates:
    """K candidates for one question as numbers: query (D,) times the retriever's scale, memories (K, D), features
    (K, F)."""

    query: np.ndarray
    memories: np.ndarray
    features: np.ndarray


@dataclass
class Weights:
    """What is learned: Wq and Wm, both (D, D), and a weight for each feature (F,)."""

    query: np.ndarray
    memory: np.ndarray
    features: np.ndarray

    @classmethod
    def untrained(cls, dimensions: int, features: bool, around: bool = False) -> Weights:
        """Maps that change nothing."""
        query, memory = (np.zeros((dimensions, dimensions), dtype=np.float32) for _ in range(2))
        named = FEATURES + AROUND if around else FEATURES
        start = [START.get(name, 0.0) if features else 0.0 for name in named]
        return cls(query, memory, np.array(start, dtype=np.float32))

    def look(self, query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """q' (D,), and the vector whose product with a memory is q'.m' (D,): no memory needs to be mapped."""
        mapped = query + self.query @ query
        return mapped, mapped + self.memory.T @ mapped

    def scores(self, candidates: Candidates) -> np.ndarray:
        """The score of each candidate, (K,)."""
        _, towards = self.look(candidates.query)
        return candidates.memories @ towards + candidates.features @ self.features

    def save(self, path: Path) -> None:
        """Writes the weights as safetensors."""
        from safetensors.numpy import save_file

        path.parent.mkdir(parents=True, exist_ok=True)
        tensors = {"query": self.query, "memory": self.memory, "features": self.features}
        save_file(tensors, path)

    @classmethod
    def load(cls, path: Path) -> Weights:
        """Reads the weights. ConfigError where the file is missing or holds something else."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            tensors = load_file(path)
            weights = cls(*(tensors[name] for name in ("query", "memory", "features")))
        except (OSError, KeyError, SafetensorError) as error:
            raise ConfigError(f"{path}: holds no weights of a linear reranker: {error}") from error
        if weights.features.shape not in ((len(FEATURES),), (len(FEATURES + AROUND),)):
            raise ConfigError(
                f"{path}: was made for other features than {', '.join(FEATURES + AROUND)}"
            )
        return weights


class RerankLinear(Retriever, kind="rerank_linear"):
    """Learned linear maps choose among candidates which memories are read (RMM)."""

    main: ClassVar[tuple[str, ...]] = ("top_k", "features")
    candidates: Part[Retriever] = BM25(top_k=20)
    """Where the candidates come from; the paper takes 20 (K)."""
    top_k: int = Field(5, ge=1, le=1000)
    """How many memories are read (M)."""
    embedder: Part[Embedder] = Hashing(dimensions=512, common=0.5)
    """How question and memories become vectors."""
    scale: float = Field(1.0, gt=0, le=1000)
    """What q'.m' is multiplied by; 1 is the paper's. The cosines of sentence models lie close together, so that a draw
    at the usual temperature hardly prefers the nearest: 10 lets it."""
    features: bool = False
    """Whether facts about question and memory are weighed too; off is the paper's score."""
    around: bool = False
    """With `features`: also facts about the memories around each, as in a dialogue, where an answer is understood
    from the lines before it."""
    weights: str = ""
    """File of trained weights; empty means untrained: the order by vectors, or by words with
    `features`."""

    def retrieve(self, query: str, context: Context) -> Generator[Any, Any, list[Hit]]:
        """The best `top_k` candidates; their scores say what the maps and each feature
        contribute."""
        hits: list[Hit] = yield from context.recall(self.candidates, query)
        if not hits:
            return []
        candidates = self.describe(query, hits, context)
        weights = self.learned()
        total = weights.scores(candidates)
        given = candidates.features * weights.features
        parts = ("vectors", *self.named)
        table = np.column_stack([total - given.sum(axis=1), given])
        return [
            hits[i].model_copy(
                update={
                    "score": float(total[i]),
                    "scores": {
                        **hits[i].scores,
                        **{f"rerank {part}": float(table[i, n]) for n, part in enumerate(parts)},
                    },
                }
            )
            for i in np.argsort(-total, kind="stable")[: self.top_k]
        ]

    @property
    def named(self) -> tuple[str, ...]:
        """The facts that are weighed, by name."""
        return self._measured if self.features else ()

    @property
    def _measured(self) -> tuple[str, ...]:
        return FEATURES + AROUND if self.around else FEATURES

    def learned(self) -> Weights:
        """The weights that are used. ConfigError where they do not fit the embedder or the facts."""
        dimensions = len(vectors(self.embedder, ["size"])[0])
        if not self.weights:
            return Weights.untrained(dimensions, self.features, self.around)
        path = Path(self.weights)
        weights = _load(path, path.stat().st_mtime_ns if path.is_file() else 0)
        if weights.query.shape != (dimensions, dimensions):
            raise ConfigError(
                f"{path}: has {len(weights.query)} dimensions, the embedder {dimensions}; "
                "choose the embedder that the weights were trained with"
            )
        if len(weights.features) != len(self._measured):
            known = str(len(weights.features) == len(FEATURES + AROUND)).lower()
            raise ConfigError(f"{path}: was trained with around = {known}; set it so")
        return weights

    def describe(self, query: str, hits: Sequence[Hit], context: Context) -> Candidates:
        """The candidates as numbers; features are 0 where they are off."""
        texts = [hit.memory.searched_text for hit in hits]
        asked, *memories = vectors(self.embedder, [query, *texts])
        matrix = np.stack(memories)
        features = np.zeros((len(hits), len(self._measured)), dtype=np.float32)
        if self.features:
            near = self.embedder if self.around else None
            features[:] = measure_facts(query, hits, context, matrix @ asked, near)
        return Candidates(self.scale * asked, matrix, features)


@lru_cache(maxsize=4)
def _load(path: Path, changed: int) -> Weights:
    return Weights.load(path)
