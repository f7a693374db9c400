"""Files of a run on a disk that may be full: written whole or not at all, and room looked for beforehand."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

_FULL = (errno.ENOSPC, errno.EDQUOT)
FULL_DISK = os.strerror(errno.ENOSPC)
"""What the system, and libraries that repeat it, say where there is no room left."""
SPARE = 1_000_000
"""Bytes that a disk has left at least where it is not called full."""


def is_full(error: OSError) -> bool:
    """Whether the error says that there is no room left."""
    return error.errno in _FULL


def write_json(path: Path, values: Any) -> None:
    """Writes values as JSON. Another process, or this one after being killed, finds the old file or the new one,
    never half of it."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_text(json.dumps(values, indent=2), encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def require_room(folder: Path, needed: int) -> None:
    """OSError (no space left) where fewer than `needed` bytes and SPARE can be written into the folder."""
    if shutil.disk_usage(folder).free < needed + SPARE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
