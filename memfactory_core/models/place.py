"""Where the lab's files and the fetched models lie on this machine."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "MEMFACTORY_MODELS"
"""The environment variable that names another folder for models."""


def lab_folder() -> Path:
    """Where runs and the database live: $MEMFACTORY_RUNS, else ./runs."""
    return Path(os.environ.get("MEMFACTORY_RUNS", "runs")).expanduser().resolve()


def models_folder() -> Path:
    """Where fetched models live: $MEMFACTORY_MODELS, else `models` beside the runs, so that what keeps a lab (a
    container's volume, a backup) keeps the models that its runs name."""
    named = os.environ.get(VARIABLE, "").strip()
    return Path(named).expanduser().resolve() if named else lab_folder() / "models"
