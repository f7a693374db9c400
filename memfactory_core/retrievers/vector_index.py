"""The vectors of a bank's memories between recalls. Where they are mostly zeros, as hashed words are, only the numbers
that the question's vector meets are read: of 2,048 columns a short question has about a hundred."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np

from memfactory_core.embedders import Embedder
from memfactory_core.retrievers.index import Column, Index

SPARSE = 0.2
"""The share of numbers other than 0 up to which vectors are kept by column."""
FULL = 0.25
"""The share of places from which on a column is kept whole: adding it up is faster than picking its places."""
AT_ONCE = 2048
"""Texts that are embedded at a time."""
KEPT = 20_000
"""Vectors that are kept for each embedder; beyond that all are computed anew."""
_VECTORS: dict[Embedder, dict[str, np.ndarray]] = {}


class VectorIndex(Index):
    """The vectors of a bank's memories by one embedder."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        super().__init__()

    def clear(self) -> None:
        """Forgets all."""
        super().clear()
        self.matrix: Column | None = None
        self.columns: list[tuple[array[int], array[float]]] = []
        self.full: dict[int, Column] = {}

    def insert(self, first: int, texts: Sequence[str]) -> None:
        """Takes in texts at the places from `first` on."""
        for start in range(0, len(texts), AT_ONCE):
            some = np.stack(vectors(self.embedder, texts[start : start + AT_ONCE]))
            if self.matrix is None and not self.columns:
                width = some.shape[1]
                if np.count_nonzero(some) <= SPARSE * some.size:
                    self.columns = [(array("q"), array("f")) for _ in range(width)]
                else:
                    self.matrix = Column(np.float32, (width,))
            if self.matrix is not None:
                self.matrix.extend(some)
            else:
                self._insert_columns(first + start, some)

    def _insert_columns(self, first: int, some: np.ndarray) -> None:
        for number, column in self.full.items():
            column.extend(some[:, number])
        numbers, rows = np.nonzero(some.T)
        ends = np.searchsorted(numbers, np.arange(some.shape[1] + 1))
        for number in np.unique(numbers).tolist():
            if number in self.full:
                continue
            here = rows[ends[number] : ends[number + 1]]
            places, values = self.columns[number]
            places.frombytes((here + first).astype(np.int64).tobytes())
            values.frombytes(some[here, number].astype(np.float32).tobytes())
            if len(places) > FULL * (first + len(some)) and first + len(some) > AT_ONCE:
                whole = np.zeros(first + len(some), dtype=np.float32)
                whole[np.frombuffer(places, dtype=np.int64)] = np.frombuffer(values, np.float32)
                self.full[number] = Column(np.float32)
                self.full[number].extend(whole)
                self.columns[number] = array("q"), array("f")

    def remove(self, place: int, text: str) -> None:
        """Lets go of the text at a place; its numbers stay until all is built anew."""

    def scores(self, query: str) -> np.ndarray:
        """The cosine of the query with the memory at each place."""
        asked = vectors(self.embedder, [query])[0]
        if self.matrix is not None:
            return self.matrix.values @ asked
        scores = np.zeros(len(self.at_place), dtype=np.float32)
        part = np.empty_like(scores)
        for number in np.flatnonzero(asked).tolist() if self.columns else ():
            if number in self.full:
                scores += np.multiply(self.full[number].values, asked[number], out=part)
                continue
            places, values = self.columns[number]
            here = np.frombuffer(places, dtype=np.int64)
            scores[here] += asked[number] * np.frombuffer(values, dtype=np.float32)
        return scores


def vectors(embedder: Embedder, texts: Sequence[str]) -> list[np.ndarray]:
    """The vectors of these texts; each text is embedded once."""
    kept = _VECTORS.setdefault(embedder, {})
    if len(kept) > KEPT:
        kept.clear()
    new = [text for text in dict.fromkeys(texts) if text not in kept]
    if new:
        kept.update(zip(new, embedder.embed(new), strict=True))
    return [kept[text] for text in texts]
