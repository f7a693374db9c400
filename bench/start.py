"""From a click on Start until a policy has visibly learned, in seconds of the clock, by hand on a machine that does
nothing else:

    python -m bench.start memagent-tiny --seeds 0 1 2

Starts the run as the lab does, in a folder of its own, and stops it when the exact match of its training attempts has
risen by --gain: the mean of its last five steps beside the untrained policy's attempts at what the first three steps
would learn from. Both are of the recipe's task as it stands: steps of an earlier stage take their time and count for
nothing. Prints a line for each seed and the median."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from memfactory_core.config import RunConfig

FIRST, LAST = 3, 5
"""Steps whose examples the untrained policy attempts, and steps at the curve's present end."""
Times = dict[str, float]


def reached(curve: Sequence[float], level: float, early: int = 0) -> int | None:
    """The step (from 1) after which the mean of the curve's last steps is at `level`; None where it never is. The
    first `early` steps had another form of the task and are left out."""
    for step in range(early + LAST, len(curve) + 1):
        if sum(curve[step - LAST : step]) / LAST >= level:
            return step
    return None


def untrained(engine: Engine, chosen: RunConfig) -> float:
    """The exact match of the policy as it starts: its attempts, drawn as in training, at the examples that the first
    steps of a training without stages learn from."""
    from memfactory_core.episode import run_episodes
    from memfactory_core.rewards import score_all
    from memfactory_core.runs.weights import role_weights, start_weights
    from memfactory_core.scoring.split import training_examples

    settings = chosen.training.model_copy(update={"stages": ()})
    examples = training_examples(chosen.model_copy(update={"training": settings}))
    queue = [
        example
        for example in examples[: FIRST * settings.groups]
        for _ in range(settings.group_size)
    ]
    sampler = chosen.load_policies(
        start_weights(engine, chosen), role_weights(engine, chosen, None)
    )
    sampler.seed(chosen.seed)
    played = run_episodes(chosen.paradigm, sampler, queue, settings.temperature)
    scored = score_all(played, {"exact_match": 1.0})
    return statistics.fmean(episode.scores["exact_match"] for episode in scored)


def measure(recipe: str, seed: int, gain: float, settings: Sequence[str] = ()) -> Times:
    """Seconds from the start to the first step and to the gain, its step, and the exact match before; what was not
    reached is missing."""
    from sqlmodel import Session, col, select

    from memfactory_core import config
    from memfactory_core.runs import database, jobs, preloaded
    from memfactory_core.runs.tables import ACTIVE, Metric

    engine = database.connect(jobs.database_url())
    chosen = config.load(recipe, [f"seed={seed}", *settings])
    base = untrained(engine, chosen)
    early = sum(stage.steps for stage in chosen.training.stages)
    # as the lab does while the run is put together
    preloaded.preload()
    while preloaded.waiting():
        time.sleep(0.1)
    began = time.monotonic()
    run = jobs.begin(engine, chosen)
    found: Times = {"untrained": base}
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
        if (step := reached(curve, base + gain, early)) is not None:
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
            print(json.dumps({"seed": seed} | {k: round(v, 2) for k, v in times.items()}))
            if "gain" not in times:
                raise SystemExit(f"seed {seed} did not gain {asked.gain:g}")
            took.append(times["gain"])
    print(f"+{asked.gain:g} exact match after {statistics.median(took):.0f} s (median)")


if __name__ == "__main__":
    main()
