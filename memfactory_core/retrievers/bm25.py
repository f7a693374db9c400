"""Okapi BM25 over the memories' words; where the bank has a full-text index of its own, that is
used."""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache

import numpy as np
from pydantic import Field

from memfactory_core.episode import Context
from memfactory_core.retrievers import Retriever
from memfactory_core.text import STOP_WORDS, has_unspaced, search_terms, stem
from memfactory_core.types import Hit, Memory


class BM25(Retriever, kind="bm25"):
    """Reads the memories that share the question's rarest words (BM25)."""

    top_k: int = Field(5, ge=1, le=1000)
    """How many memories are read."""
    k1: float = Field(1.5, ge=0, le=10)
    """How much a word's repetition counts; 0 means that once is enough."""
    b: float = Field(0.75, ge=0, le=1)
    """How much long memories are held back; 0 means not at all."""

    def retrieve(self, query: str, context: Context) -> list[Hit]:
        """The `top_k` memories with the highest scores, those without a common word left out."""
        # the banks' own indexes cut at spaces: they find nothing where there are none
        own = not has_unspaced(query)
        found = context.bank.search("words", query, self.top_k) if own else None
        if found is not None:
            return found
        memories = context.bank.all()
        return top_hits(memories, self.scores(query, memories), self.top_k, "bm25")

    def scores(self, query: str, memories: list[Memory]) -> np.ndarray:
        """One score for each memory, shape (memories,)."""
        return index(tuple(memory.searched_text for memory in memories), self.k1, self.b).scores(
            query
        )


class Index:
    """The weights of every word in every text."""

    def __init__(self, texts: tuple[str, ...], k1: float, b: float) -> None:
        self.size = len(texts)
        counts = [terms(text) for text in texts]
        lengths = np.array([count.total() for count in counts], dtype=float)
        norms = k1 * (1 - b + b * lengths / max(lengths.mean(), 1.0)) if self.size else lengths
        postings: dict[str, list[tuple[int, int]]] = {}
        for place, count in enumerate(counts):
            for term, times in count.items():
                postings.setdefault(term, []).append((place, times))
        self.postings: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for term, pairs in postings.items():
            places, times = np.array(pairs).T
            rarity = math.log(1 + (self.size - len(pairs) + 0.5) / (len(pairs) + 0.5))
            self.postings[term] = places, rarity * times * (k1 + 1) / (times + norms[places])

    def scores(self, query: str) -> np.ndarray:
        """The BM25 score of each text."""
        scores = np.zeros(self.size)
        for term, times in terms(query).items():
            if term in self.postings:
                places, weights = self.postings[term]
                scores[places] += times * weights
        return scores


@lru_cache(maxsize=16)
def index(texts: tuple[str, ...], k1: float, b: float) -> Index:
    """The index of these texts, kept while a bank does not change."""
    return Index(texts, k1, b)


@lru_cache(maxsize=50_000)
def terms(text: str) -> Counter[str]:
    """How often each telling word stands in a text, by its stem; characters and pairs of them where there are
    no spaces."""
    return Counter(stem(word) for word in search_terms(text) if word not in STOP_WORDS)


def top_hits(memories: list[Memory], scores: np.ndarray, top_k: int, name: str) -> list[Hit]:
    """The `top_k` best memories, ties in the bank's order; those that score 0 or less are left
    out."""
    best = np.argsort(-scores, kind="stable")[:top_k]
    return [
        Hit(memory=memories[i], score=float(scores[i]), scores={name: float(scores[i])})
        for i in best
        if scores[i] > 0
    ]
