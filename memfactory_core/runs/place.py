"""Where runs live on this machine."""

from __future__ import annotations

from pathlib import Path

from memfactory_core.models.place import lab_folder


def root() -> Path:
    """Where runs and the database live: the lab's folder."""
    return lab_folder()


def folder_of(run_id: str, recorded: str) -> str:
    """A run's folder: the one of its name among the runs here, else the recorded one. The first also where both
    are there: a copy of a lab must not write into the original."""
    here = root() / run_id
    return str(here) if here.is_dir() else recorded
