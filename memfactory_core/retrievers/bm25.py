"""Okapi BM25 over the memories' words; where the bank has a full-text index of its own, that is
used."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from pydantic import Field

from memfactory_core.episode import Context
from memfactory_core.retrievers import Retriever
from memfactory_core.retrievers.index import Column, Index, index_of
from memfactory_core.stores import Memories
from memfactory_core.text import STOP_WORDS, has_unspaced, search_terms, stem
from memfactory_core.types import Hit, Memory

FEW = 16
"""So many memories or fewer are scored without an index, while none is kept with the bank."""


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
        if not context.bank.kept and len(memories := context.bank.all()) <= FEW:
            return self._search_few(query, memories)
        index = word_index(context.bank)
        return top_hits(index, index.scores(query, self.k1, self.b), self.top_k, "bm25")

    def _search_few(self, query: str, memories: Sequence[Memory]) -> list[Hit]:
        """As through an index, which takes longer to keep than so few memories to read."""
        counts = [terms(memory.searched_text) for memory in memories]
        lengths = [count.total() for count in counts]
        mean = max(sum(lengths) / max(len(lengths), 1), 1.0)
        scores = [0.0] * len(counts)
        for term, times in terms(query).items():
            spread = sum(term in count for count in counts)
            weight = rarity(len(counts), spread)
            for place, count in enumerate(counts):
                if often := count.get(term):
                    norm = self.k1 * (1 - self.b + self.b * lengths[place] / mean)
                    scores[place] += times * (weight * often * (self.k1 + 1) / (often + norm))
        best = sorted(range(len(scores)), key=scores.__getitem__, reverse=True)[: self.top_k]
        return [_hit(memories[place], scores[place], "bm25") for place in best if scores[place] > 0]

    def scores(self, query: str, bank: Memories) -> np.ndarray:
        """One score for each memory of a bank in its order, shape (memories,)."""
        index = word_index(bank)
        return index.in_order(index.scores(query, self.k1, self.b))


class WordIndex(Index):
    """In which memories each word stands, and how often."""

    def clear(self) -> None:
        """Forgets all."""
        super().clear()
        self.postings: dict[str, tuple[array[int], array[int]]] = {}
        self.spread: Counter[str] = Counter()
        """In how many living memories a word stands."""
        self.lengths = Column(float)
        self.total = 0

    def insert(self, first: int, texts: Sequence[str]) -> None:
        """Takes in texts at the places from `first` on."""
        counts = [terms(text) for text in texts]
        lengths = [count.total() for count in counts]
        self.lengths.extend(np.array(lengths, dtype=float))
        self.total += sum(lengths)
        for place, count in enumerate(counts, first):
            self.spread.update(count.keys())
            for term, times in count.items():
                posting = self.postings.get(term)
                if posting is None:
                    posting = self.postings[term] = array("q"), array("q")
                posting[0].append(place)
                posting[1].append(times)

    def remove(self, place: int, text: str) -> None:
        """Lets go of the text at a place."""
        self.total -= int(self.lengths.values[place])
        self.spread.subtract(terms(text).keys())

    def rarity(self, term: str) -> float:
        """How much a term tells."""
        return rarity(len(self.places), self.spread[term])

    def scores(self, query: str, k1: float, b: float) -> np.ndarray:
        """The BM25 score at each place."""
        scores = np.zeros(len(self.at_place))
        mean = max(self.total / max(len(self.places), 1), 1.0)
        for term, times in terms(query).items():
            if self.spread[term] == 0:
                continue
            places, often = (np.frombuffer(part, dtype=np.int64) for part in self.postings[term])
            norms = k1 * (1 - b + b * self.lengths.values[places] / mean)
            scores[places] += times * (self.rarity(term) * often * (k1 + 1) / (often + norms))
        return scores


def rarity(size: int, spread: int) -> float:
    """How much a word tells that `spread` of `size` memories have: BM25's idf, above 0."""
    return math.log(1 + (size - spread + 0.5) / (spread + 0.5))


def word_index(bank: Memories) -> WordIndex:
    """The bank's index of words, up to date."""
    return index_of(bank, "words", WordIndex)


@lru_cache(maxsize=50_000)
def terms(text: str) -> Counter[str]:
    """How often each telling word stands in a text, by its stem; characters and pairs of them where there are
    no spaces."""
    return Counter(stem(word) for word in search_terms(text) if word not in STOP_WORDS)


def top_hits(index: Index, scores: np.ndarray, top_k: int, name: str) -> list[Hit]:
    """The `top_k` best memories, ties in the bank's order; those that score 0 or less are left
    out."""
    return [
        _hit(index.at_place[place], float(scores[place]), name)
        for place in index.best(scores, top_k)
    ]


def _hit(memory: Memory, score: float, name: str) -> Hit:
    return Hit(memory=memory, score=score, scores={name: score})
