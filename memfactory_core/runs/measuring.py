"""The evaluations of a run: played, kept, with how far they are and how long they will take."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memfactory_core.config import RunConfig
from memfactory_core.errors import RunError
from memfactory_core.runs import database, record, recording
from memfactory_core.runs.recording import UNTRAINED
from memfactory_core.scoring.evaluate import evaluate, flat
from memfactory_core.trace import Episode
from memfactory_core.types import Example

if TYPE_CHECKING:
    from memfactory_core.runs.worker import Work

TOLD_EVERY = 1.0
"""Seconds between two notes of how far an evaluation is."""
LONGEST = 1e9
"""Seconds that no evaluation takes."""
SECONDS = "evaluation_seconds"
"""Where a run's record keeps how long its last evaluation took: the next one will take about as long."""


class Clock:
    """Notes how far an evaluation is, and stops it between two rounds where that was asked."""

    def __init__(self, work: Work, ends_run: bool) -> None:
        self.work = work
        self.ends_run = ends_run
        self.began = self.told = time.monotonic()

    def tell(self, done: float, total: int) -> None:
        """`done` of `total` attempts are played, those that are half played in part."""
        now = time.monotonic()
        if now - self.told < TOLD_EVERY:
            return
        self.told = now
        self.work.check_stop()
        left = (now - self.began) * (total - done) / done if done else None
        eta = left if self.ends_run else None
        self.work.update(progress=min(1.0, done / total), eta=eta)


def measure(work: Work, when: str, sampler: Any, examples: list[Example], step: int) -> None:
    """Measures the policy, and keeps the episodes and the scores under `when`."""
    work.enter(evaluation_phase(work.config, when))

    def keep(mode: str, episodes: list[Episode]) -> None:
        work.check_stop()
        recording.save_episodes(work.engine, work.run.id, f"{when}/{mode}", step, episodes)

    for mode in ("greedy", "sampled"):  # of an evaluation that was stopped half way
        recording.forget_episodes(work.engine, work.run.id, f"{when}/{mode}")
    clock = Clock(work, ends_run=when == "after")
    summary = evaluate(
        work.config.paradigm, sampler, examples, work.config.reward,
        work.config.evaluation.samples, keep, work.judge, work.config.seed, clock.tell,
        work.config.evaluation.scrambled,
    )  # fmt: skip
    work.results[when] = flat(summary)
    work.add_to_record(**{SECONDS: time.monotonic() - clock.began})
    if work.judge:
        add = partial(record.add_judge, work.folder, when, work.judge)
        database.patiently(work.engine, add)
        work.judge.begin()
    work.update(results=json.dumps(work.results))


def evaluation_phase(config: RunConfig, when: str) -> str:
    """What is told of a run that is being measured."""
    if config.imitates and when != "after":
        first = when == UNTRAINED or config.mode == "imitate"
        return "evaluating before imitation" if first else "evaluating after imitation"
    if config.mode == "imitate":
        return "evaluating after imitation"
    return f"evaluating {when} training" if config.mode == "train" else "evaluating"


def expected_seconds(folder: Path) -> float:
    """How long the evaluation after a training will take: as long as the last one took; 0 where there was none."""
    try:
        kept = record.read(folder).get(SECONDS)
    except RunError:
        return 0.0
    # compared, not converted: a damaged record may hold an integer beyond every float
    return float(kept) if isinstance(kept, int | float) and 0 < kept < LONGEST else 0.0
