"""Embedders turn texts into vectors of unit length."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from memfactory_core.component import Component

if TYPE_CHECKING:
    import numpy as np


class Embedder(Component, ABC, family="embedders"):
    """How texts become vectors."""

    @abstractmethod
    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of unit length, float32, shape (texts, dimensions)."""
