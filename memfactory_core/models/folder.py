"""Folders that another process writes into while they are looked at: what vanishes between two looks is left out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def look_at_files(folder: Path) -> Iterator[os.stat_result]:
    """What the system tells of every file below a folder, links as what they are. Nothing where there is no folder."""
    # os.walk passes over a folder that is gone; Path.rglob raises
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                yield os.lstat(os.path.join(place, name))
            except FileNotFoundError:
                continue


def measure_folder(folder: Path) -> int:
    """Bytes of the files below a folder."""
    return sum(found.st_size for found in look_at_files(folder))
