"""Any sentence-transformers model; needs the extra `memfactory-lab[embeddings]`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from pydantic import Field

from memfactory_core.embedders import Embedder
from memfactory_core.errors import ConfigError


class SentenceTransformer(Embedder, kind="sentence_transformer"):
    """Embeds by meaning with a sentence-transformers model."""

    model: str = Field("sentence-transformers/all-MiniLM-L6-v2", min_length=1)
    """The model's id or folder."""
    prompt: str = ""
    """Text that is put before each text, where the model wants one."""
    batch_size: int = Field(64, ge=1, le=4096)
    """How many texts pass through the model at once."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of unit length, float32, shape (texts, dimensions). ConfigError where the package
        or the model cannot be loaded."""
        vectors = _load(self.model).encode(
            [self.prompt + text for text in texts], batch_size=self.batch_size,
            normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False,
        )  # fmt: skip
        return np.asarray(vectors, dtype=np.float32)


@lru_cache(maxsize=2)
def _load(model: str) -> Any:
    try:
        import sentence_transformers
    except ImportError as error:
        raise ConfigError(
            "the embedder 'sentence_transformer' needs the package sentence-transformers: "
            "pip install 'memfactory-lab[embeddings]'"
        ) from error
    try:
        return sentence_transformers.SentenceTransformer(model)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot load the embedding model {model!r}: {error}") from error
