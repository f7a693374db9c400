"""Runs whose worker does not do as it should: a part that waits, starts processes, ignores signals, crashes or eats
memory, as the user's own parts may."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine

from memfactory_core.config import load
from memfactory_core.runs import jobs
from memfactory_core.runs.tables import Run

PART = '''
"""Does what its setting says where it should retrieve."""

import ctypes
import os
import signal
import subprocess
import time
from pathlib import Path

from memfactory_core.retrievers import Retriever


class Misbehaving(Retriever, kind="misbehaving"):
    """Misbehaves."""

    how: str = "wait"
    place: str = "."

    def retrieve(self, query, context):
        """Nothing."""
        if "deaf" in self.how:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if "family" in self.how:
            sleeper = subprocess.Popen(["sleep", "600"])
            stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
            left = subprocess.run(
                ["sh", "-c", "setsid sleep 600 >/dev/null 2>&1 & echo $!"], stdout=subprocess.PIPE
            )
            pids = [str(sleeper.pid), str(stranger.pid), left.stdout.decode().strip()]
            Path(self.place, "family").write_text(" ".join(pids))
        if "crash" in self.how:
            ctypes.string_at(0)
        if "exit" in self.how:
            os._exit(3)
        eaten = []
        Path(self.place, "reached").touch()
        while "eat" in self.how:
            eaten.append(b"x" * 2**24)
        time.sleep(0.0 if "quick" in self.how else 600)
        return []
'''


def prepare(place: Path) -> None:
    """Writes the part where `MEMFACTORY_PARTS` has to point."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "misbehaving.py").write_text(PART)


def make(engine: Engine, place: Path, how: str) -> Run:
    """A run that misbehaves in this way; it says by the file `reached` that it does."""
    settings = [
        "mode=evaluate", "policy=scripted", "evaluation.examples=1", "evaluation.samples=0",
        "paradigm.retriever.kind=misbehaving", f'paradigm.retriever.how="{how}"',
        f'paradigm.retriever.place="{place}"',
    ]  # fmt: skip
    return jobs.create(engine, load("memagent-tiny", settings))


def until(condition: Callable[[], bool], seconds: float = 90.0) -> None:
    """Waits for what must come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
