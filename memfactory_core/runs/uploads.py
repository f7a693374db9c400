"""Data files that were given to the lab in the browser: kept in its folder under the hash of what is in them, so that
the same file is kept once and a run's recipe goes on naming what it read."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

from memfactory_core.errors import ConfigError
from memfactory_core.runs.place import root
from memfactory_core.tasks.data_file import FORMATS

LARGEST = 200_000_000
"""Bytes of a file that is taken; a larger one is named by its path."""
LONGEST_NAME = 80
"""Characters of its name that are kept, the ending aside."""
_OTHER = re.compile(r"[^\w.-]+")


def uploads_folder() -> Path:
    """Where the files lie: `uploads` among the runs."""
    return root() / "uploads"


def keep_file(content: bytes | memoryview, name: str) -> Path:
    """The path under which the content is kept. ConfigError where it is too large, empty, of no known format, or
    nothing can be written. Nothing half written is left."""
    suffix = Path(name).suffix.lower()
    if suffix not in FORMATS:
        raise ConfigError(
            f"{name[:LONGEST_NAME]}: expected a file that ends in {', '.join(FORMATS)}"
        )
    if not len(content):
        raise ConfigError(f"{name[:LONGEST_NAME]}: the file is empty")
    if len(content) > LARGEST:
        raise ConfigError(
            f"{name[:LONGEST_NAME]}: {len(content) / 1e6:,.0f} MB; at most {LARGEST / 1e6:,.0f} MB are taken here. Lay "
            "the file on the lab's machine and name its path"
        )
    digest = hashlib.sha256(content).hexdigest()[:16]
    path = uploads_folder() / digest / f"{_clean(Path(name).stem)}{suffix}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if present := [file for file in path.parent.iterdir() if file.suffix == suffix]:
            return present[0]
        with tempfile.TemporaryDirectory(prefix=".part.", dir=uploads_folder()) as part:
            written = Path(part) / path.name
            written.write_bytes(content)
            os.replace(written, path)
    except OSError as error:
        raise ConfigError(f"cannot keep the file in {path.parent}: {error.strerror}") from error
    return path


def _clean(name: str) -> str:
    """A name that means nothing to a file system: no separators, no leading dot."""
    return _OTHER.sub("-", name).strip(".-")[:LONGEST_NAME] or "data"
