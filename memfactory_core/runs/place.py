"""Where runs live on this machine."""

from __future__ import annotations

from pathlib import Path

from memfactory_core.models.place import lab_folder

OTHERS = "other-databases.txt"
"""The file that says that runs here stand in a database which lies elsewhere, so that nobody takes their folders for
left over."""


def root() -> Path:
    """Where runs and the database live: the lab's folder."""
    return lab_folder()


def folder_of(run_id: str, recorded: str) -> str:
    """A run's folder: the one of its name among the runs here, else the recorded one. The first also where both
    are there: a copy of a lab must not write into the original."""
    here = root() / run_id
    return str(here) if here.is_dir() else recorded


def note_database(file: Path | None, address: str) -> None:
    """Leaves a note beside the runs where their database is not the usual file there."""
    usual = root() / "memfactory.db"
    if file is not None and file.resolve() == usual:
        return
    note = root() / OTHERS
    known = note.read_text(encoding="utf-8").splitlines() if note.is_file() else []
    if address not in known:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text("\n".join([*known, address]) + "\n", encoding="utf-8")
