"""How long it takes from Stop until a run's memory is free: its process and all that it started are gone.

`python -m tests.attacks.stopping` prints the table."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import psutil
from sqlalchemy import Engine

from memfactory_core.config import load
from memfactory_core.runs import database, jobs
from memfactory_core.runs.tables import Run
from tests.misbehaving import make, prepare, until

GRACE = 2.0
"""Seconds that runs which do not obey are given here; by default it is 30, then 10 after SIGTERM."""
CASES = {
    "trains, obeys after its step and saves": "",
    "hangs in a part, with three processes of its own": "family",
    "ignores SIGTERM too": "family deaf",
}


def measure(engine: Engine, place: Path, how: str) -> tuple[Run, float, float]:
    """Stops a run that behaves so; the run, the megabytes that it held, and the seconds until they were free."""
    if how:
        run = jobs.start(engine, make(engine, place, how))
        until((place / "reached").exists)
        (place / "reached").unlink()
        family = [int(pid) for pid in (place / "family").read_text().split()]
    else:
        settings = ["training.steps=2000", "evaluation.examples=2", "evaluation.samples=0"]
        run, family = jobs.start(engine, jobs.create(engine, load("memagent-tiny", settings))), []
        until(lambda: database.get_run(engine, run.id).step >= 3, 120)
    held = psutil.Process(run.pid).memory_info().rss / 1e6
    began = time.monotonic()
    jobs.request_stop(engine, run.id, patience=GRACE if how else None)
    until(lambda: not any(psutil.pid_exists(pid) for pid in (run.pid, *family)), 60)
    seconds = time.monotonic() - began
    until(lambda: database.get_run(engine, run.id).peak_memory is not None, 20)
    return database.get_run(engine, run.id), held, seconds


def measure_all(engine: Engine, place: Path) -> dict[str, float]:
    """Seconds from Stop to memory free by case, printed as they come."""
    found = {}
    for name, how in CASES.items():
        run, held, found[name] = measure(engine, place, how)
        end = run.exit_signal or f"exit code {run.exit_code}"
        print(f"{name}: {held:.0f} MB free after {found[name]:.1f} s ({end})", flush=True)
    return found


def main() -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as place:
        parts = Path(place) / "parts"
        prepare(parts)
        os.environ |= {"MEMFACTORY_RUNS": str(Path(place) / "runs"), "MEMFACTORY_PARTS": str(parts)}
        os.environ.pop("MEMFACTORY_DB", None)
        measure_all(database.connect(jobs.database_url()), parts)


if __name__ == "__main__":
    main()
