"""How far the fetching of a model is: told to whoever fetches, and kept in a file that a page can read."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

FILE = "progress.json"
EVERY = 0.5
"""Seconds between two lines of one phase."""


class Progress(BaseModel):
    """One moment of a fetch."""

    model_config = ConfigDict(frozen=True)

    name: str
    phase: str
    """What is being done, in words."""
    done: int = 0
    """Bytes that are there."""
    total: int = 0
    """Bytes that are expected; 0 where nobody knows."""
    error: str = ""
    """Why it ended early."""
    pid: int = 0
    """The process that fetches."""

    @property
    def line(self) -> str:
        """One line for people."""
        size = f" {self.done / 1e6:.0f} of {self.total / 1e6:.0f} MB" if self.total else ""
        return f"{self.name}: {self.error or self.phase + size}"


Tell = Callable[[str, int, int], None]
"""Is told a phase, the bytes that are there, the bytes expected."""


class Teller:
    """Keeps the newest progress in a folder's file and passes it on, at most every EVERY seconds for one phase."""

    def __init__(
        self,
        name: str,
        folder: Path,
        on_progress: Callable[[Progress], None],
        pid: int | None = None,
    ) -> None:
        self.name = name
        self.pid = pid or os.getpid()
        self.folder = folder
        self.on_progress = on_progress
        self.phase = ""
        self.told = 0.0

    def __call__(self, phase: str, done: int = 0, total: int = 0) -> None:
        """Tells of a moment."""
        if phase == self.phase and time.monotonic() - self.told < EVERY:
            return
        self.phase, self.told = phase, time.monotonic()
        self._keep(Progress(name=self.name, phase=phase, done=done, total=total, pid=self.pid))

    def fail(self, reason: str) -> None:
        """Tells why it ended early."""
        self._keep(Progress(name=self.name, phase=self.phase, error=reason, pid=self.pid))

    def _keep(self, progress: Progress) -> None:
        # replaced, not written over: a page that reads meanwhile finds the old or the new
        part = self.folder / f"{FILE}.new"
        part.write_text(json.dumps(progress.model_dump()), encoding="utf-8")
        part.replace(self.folder / FILE)
        self.on_progress(progress)


def read_progress(folder: Path) -> Progress | None:
    """The newest progress of a fetch in this folder; None where there is none."""
    try:
        return Progress.model_validate_json((folder / FILE).read_bytes())
    except (OSError, ValidationError):
        return None
