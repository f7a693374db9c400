"""Where runs live on this machine."""

from __future__ import annotations

import os
from pathlib import Path


def root() -> Path:
    """Where runs and the database live: $MEMFACTORY_RUNS, else ./runs."""
    return Path(os.environ.get("MEMFACTORY_RUNS", "runs")).expanduser().resolve()


def folder_of(run_id: str, recorded: str) -> str:
    """A run's folder: the one of its name among the runs here, else the recorded one. The first also where both
    are there: a copy of a lab must not write into the original."""
    here = root() / run_id
    return str(here) if here.is_dir() else recorded
