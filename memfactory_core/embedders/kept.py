"""Vectors that stay on the disk, so that a text which was embedded once is only read in the next run: one SQLite file
for each model, in the folder `vectors` beside the fetched models. Texts are not in it, only their sha256."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from memfactory_core.errors import ConfigError
from memfactory_core.models.place import models_folder

PATIENCE = 60.0
"""Seconds that one process waits for another that writes."""
AT_ONCE = 500
"""Texts that are looked up by one statement; SQLite bounds its variables."""


def embed_once(
    model: Path, texts: Sequence[str], embed: Callable[[list[str]], np.ndarray]
) -> np.ndarray:
    """The vectors of these texts, float32, (texts, dimensions): those that were kept for the model in this folder, and
    for the others what `embed` computes, which is then kept. ConfigError where the file cannot be read or written."""
    path = models_folder() / "vectors" / f"{model.name}-{_fingerprint(model)}.sqlite"
    keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts]
    by_key = dict(zip(keys, texts, strict=True))
    with _open(path) as connection:
        kept = _read(connection, list(by_key))
    missing = [key for key in by_key if key not in kept]
    if missing:
        new = embed([by_key[key] for key in missing]).astype(np.float32)
        kept |= dict(zip(missing, new, strict=True))
        with _open(path) as connection, connection:
            connection.executemany(
                "INSERT OR IGNORE INTO vectors VALUES (?, ?)",
                [(key, kept[key].tobytes()) for key in missing],
            )
    return np.array([kept[key] for key in keys], dtype=np.float32)


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=PATIENCE)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS vectors (text BLOB PRIMARY KEY, vector BLOB)"
            )
            yield connection
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(
            f"cannot keep vectors in {path}: {error}; delete the file if it is broken, or set the embedder's keep to "
            "false"
        ) from error


def _read(connection: sqlite3.Connection, keys: list[bytes]) -> dict[bytes, np.ndarray]:
    found: dict[bytes, np.ndarray] = {}
    for start in range(0, len(keys), AT_ONCE):
        some = keys[start : start + AT_ONCE]
        marks = ", ".join("?" * len(some))
        rows = connection.execute(f"SELECT text, vector FROM vectors WHERE text IN ({marks})", some)
        found |= {key: np.frombuffer(vector, dtype=np.float32) for key, vector in rows}
    return found


def _fingerprint(model: Path) -> str:
    """Tells a model's files from those of any other, or of a later version in the same place."""
    told = [
        f"{path.relative_to(model)} {path.stat().st_size} {path.stat().st_mtime_ns}"
        for path in sorted(model.rglob("*"))
        if path.is_file()
    ]
    return hashlib.sha256("\n".join([str(model.resolve()), *told]).encode()).hexdigest()[:16]
