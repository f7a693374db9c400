"""Sentence-transformers models, such as MiniLM. The usual form (a transformer, then the mean or the first vector,
then unit length) is computed here with transformers alone; other forms need the extra `memfactory-lab[embeddings]`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from memfactory_core.embedders import Embedder
from memfactory_core.embedders.kept import embed_once
from memfactory_core.errors import ConfigError
from memfactory_core.models.resolve import EmbeddingModelName, resolve_model

Encode = Callable[[list[str]], np.ndarray]
"""Texts to their vectors of unit length, float32, (texts, dimensions)."""


class SentenceTransformer(Embedder, kind="sentence_transformer"):
    """Embeds by meaning with a sentence-transformers model."""

    model: EmbeddingModelName = "minilm"
    """The model: a known name (minilm), its folder or its hub id; `memfactory get NAME` fetches it."""
    prompt: str = ""
    """Text that is put before each text, where the model wants one."""
    batch_size: int = Field(64, ge=1, le=4096)
    """How many texts pass through the model at once."""
    keep: bool = False
    """Keep the vectors on the disk, beside the fetched models, so that a text which was embedded once is not
    embedded again by the next run. The texts themselves are not kept there."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of unit length, float32, shape (texts, dimensions). ConfigError where the model is not here or
        cannot be loaded."""
        folder = resolve_model(self.model)
        told = [self.prompt + text for text in texts]
        return embed_once(folder, told, self._compute) if self.keep else self._compute(told)

    def _compute(self, texts: list[str]) -> np.ndarray:
        encode = _load(str(resolve_model(self.model)))
        # neighbours of one length waste the least on padding
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        rows: list[np.ndarray] = [np.zeros(0)] * len(texts)
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            for i, row in zip(batch, encode([texts[i] for i in batch]), strict=True):
                rows[i] = row
        return np.array(rows, dtype=np.float32)


@lru_cache(maxsize=2)
def _load(folder: str) -> Encode:
    pooling = _pooling(Path(folder))
    try:
        return _transformer(folder, pooling) if pooling else _package(folder)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(f"cannot load the embedding model {folder!r}: {reason}") from error


def _pooling(folder: Path) -> str:
    """How token vectors become one: "mean" or "cls"; nothing where the model is of another form."""
    modules = _read(folder / "modules.json")
    if modules is None:  # a bare transformer: the mean is what sentence-transformers would take
        return "mean"
    kinds = [str(module.get("type", "")).rsplit(".", 1)[-1] for module in modules]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        return ""
    settings = _read(folder / modules[1]["path"] / "config.json") or {}
    if "pooling_mode" in settings:
        chosen = [str(settings["pooling_mode"])]
    else:
        named = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
        on = [key for key, value in settings.items() if key.startswith("pooling_mode") and value]
        chosen = [named.get(key, "") for key in on]
    return chosen[0] if len(chosen) == 1 and chosen[0] in ("mean", "cls") else ""


def _read(path: Path) -> Any:
    """A JSON file's values; None where there is no such file. ConfigError where it is broken."""
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot load the embedding model: {path} is broken: {error}") from error


def _transformer(folder: str, pooling: str) -> Encode:
    import torch
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModel.from_pretrained(folder, dtype=torch.float32).to(device).eval()
    limits = _read(Path(folder) / "sentence_bert_config.json") or {}
    longest = limits.get("max_seq_length") or min(
        tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", 512)
    )

    def encode(texts: list[str]) -> np.ndarray:
        batch = tokenizer(
            texts, padding=True, truncation=True, max_length=longest, return_tensors="pt"
        ).to(device)
        with torch.no_grad():
            states = model(**batch).last_hidden_state
        if pooling == "cls":
            pooled = states[:, 0]
        else:
            real = batch["attention_mask"].unsqueeze(-1)
            pooled = (states * real).sum(1) / real.sum(1).clamp(min=1)
        return torch.nn.functional.normalize(pooled.float(), dim=-1).cpu().numpy()

    return encode


def _package(folder: str) -> Encode:
    try:
        import sentence_transformers
    except ImportError as error:
        raise ConfigError(
            f"the embedding model {folder!r} is of an unusual form and needs the package sentence-transformers: "
            "pip install 'memfactory-lab[embeddings]'"
        ) from error
    model = sentence_transformers.SentenceTransformer(folder)

    def encode(texts: list[str]) -> np.ndarray:
        vectors = model.encode(
            texts, batch_size=len(texts), normalize_embeddings=True, convert_to_numpy=True,
            show_progress_bar=False,
        )  # fmt: skip
        return np.asarray(vectors, dtype=np.float32)

    return encode
