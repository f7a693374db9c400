"""Vectors from hashed words and parts of words: nothing to download, the same in every process.

Each word adds its stem and its character n-grams at hashed places with hashed signs (feature
hashing), so that `adopted` and `adoption` are near each other. There is no meaning in it: `dog` and
`puppy` are strangers. In scripts without spaces the words are characters and pairs of them.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from pydantic import Field

from memfactory_core.embedders import Embedder
from memfactory_core.text import STOP_WORDS, search_terms, stem


class Hashing(Embedder, kind="hashing"):
    """Hashes words and their parts into a vector: fast, deterministic, no download."""

    dimensions: int = Field(2048, ge=16, le=65_536)
    """Length of the vectors; more dimensions mean fewer collisions."""
    shortest: int = Field(3, ge=1, le=10)
    """The shortest part of a word that counts, in characters."""
    longest: int = Field(4, ge=1, le=10)
    """The longest part of a word that counts, in characters; below `shortest` means whole words
    only."""
    parts: float = Field(0.5, ge=0, le=10)
    """The weight of all parts of a word together, beside 1 for the word itself."""
    common: float = Field(0.05, ge=0, le=1)
    """The weight of the commonest English words; others weigh 1."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of unit length, float32, shape (texts, dimensions)."""
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            for word, times in Counter(search_terms(text)).items():
                places, weights = _features(word, self)
                weight = (self.common if word in STOP_WORDS else 1.0) * times**0.5
                vector[places] += weight * weights
            if not vector.any():
                vector[0] = 1.0
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@lru_cache(maxsize=100_000)
def _features(word: str, settings: Hashing) -> tuple[np.ndarray, np.ndarray]:
    """Where a word points and with which signed weights, places distinct."""
    marked = f"<{word}>"
    grams = [
        marked[start : start + size]
        for size in range(settings.shortest, settings.longest + 1)
        for start in range(len(marked) - size + 1)
    ]
    weighed = [(f"word {stem(word)}", 1.0)]
    weighed += [(gram, (settings.parts / len(grams)) ** 0.5) for gram in grams]
    summed: dict[int, float] = {}
    for feature, weight in weighed:
        number = zlib.crc32(feature.encode())
        place, sign = (number >> 1) % settings.dimensions, 1.0 if number & 1 else -1.0
        summed[place] = summed.get(place, 0.0) + sign * weight
    return np.array(list(summed), dtype=np.intp), np.array(list(summed.values()), dtype=np.float32)
