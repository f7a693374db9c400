"""From a click on Start until a policy has visibly learned, in seconds of the clock, by hand on a machine that does
nothing else:

    python -m bench.start memagent-tiny --seeds 0 1 2

Starts the run as the lab does, in a folder of its own, and stops it when the exact match of its training attempts has
risen by --gain: the mean of the last five steps beside that of the first three. Prints a line for each seed and the
median."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence

FIRST, LAST = 3, 5
"""Steps at the curve's beginning and at its present end."""
Times = dict[str, float]


def reached(curve: Sequence[float], gain: float) -> int | None:
    """The step (from 1) after which the curve's last steps lie `gain` above its first; None where none does."""
    base = sum(curve[:FIRST]) / FIRST
    for step in range(FIRST + LAST, len(curve) + 1):
        if sum(curve[step - LAST : step]) / LAST >= base + gain:
            return step
    return None


def measure(recipe: str, seed: int, gain: float, settings: Sequence[str] = ()) -> Times:
    """Seconds from the start to the first step and to the gain, and its step; what was not reached is missing."""
    from sqlmodel import Session, col, select

    from memfactory_core import config
    from memfactory_core.runs import database, jobs
    from memfactory_core.runs.tables import ACTIVE, Metric

    engine = database.connect(jobs.database_url())
    chosen = config.load(recipe, [f"seed={seed}", *settings])
    began = time.monotonic()
    run = jobs.begin(engine, chosen)
    found: Times = {}
    asked = (
        select(Metric.value)
        .where(Metric.run_id == run.id, Metric.name == "score/exact_match", Metric.step > 0)
        .order_by(col(Metric.step))
    )
    while True:
        state = database.get_run(engine, run.id).state
        with Session(engine) as session:
            curve = list(session.exec(asked))
        passed = time.monotonic() - began
        if curve:
            found.setdefault("first step", passed)
        if (step := reached(curve, gain)) is not None:
            jobs.stop(engine, run.id)
            return found | {"gain": passed, "step": float(step)}
        if state not in ACTIVE:
            return found
        jobs.reap(engine)
        time.sleep(0.25)


def main() -> None:
    """Each seed after the other, a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--gain", type=float, default=0.3)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ["MEMFACTORY_RUNS"] = folder
        os.environ.pop("MEMFACTORY_DB", None)
        took = []
        for seed in asked.seeds:
            times = measure(asked.recipe, seed, asked.gain, asked.settings)
            print(json.dumps({"seed": seed} | {k: round(v, 1) for k, v in times.items()}))
            if "gain" not in times:
                raise SystemExit(f"seed {seed} did not gain {asked.gain:g}")
            took.append(times["gain"])
    print(f"+{asked.gain:g} exact match after {statistics.median(took):.0f} s (median)")


if __name__ == "__main__":
    main()
