"""Comparisons of runs: paired, on the examples that both attempted, with a bootstrap interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Engine
from sqlmodel import Session, select

from memfactory_core.errors import RunError
from memfactory_core.runs.tables import EpisodeRow, Run
from memfactory_core.scoring.intervals import paired

PAIRED = ("exact_match", "kept", "stored", "rejected", "reward")


def compare_runs(
    engine: Engine, first: Run, second: Run, phase: str = "after/greedy"
) -> dict[str, dict[str, float]]:
    """For each score: its mean in both runs and the mean difference (second minus first) with its 95%
    interval over the n examples that both attempted. RunError where there are none."""
    left, right = (_by_example(engine, run, phase) for run in (first, second))
    if not set(left) & set(right):
        raise RunError(
            f"the runs {first.id} and {second.id} share no examples in {phase}: compare runs with the same "
            "evaluation task and seed"
        )
    return paired(left, right)


def _by_example(engine: Engine, run: Run, phase: str) -> Mapping[str, Mapping[str, float]]:
    columns = [getattr(EpisodeRow, name) for name in PAIRED]
    query = select(EpisodeRow.example_id, *columns).where(
        EpisodeRow.run_id == run.id, EpisodeRow.phase == phase
    )
    attempts: dict[str, list[Sequence[float | None]]] = {}
    with Session(engine) as session:
        for example_id, *values in session.exec(query):
            attempts.setdefault(example_id, []).append(values)
    return {example: _means(rows) for example, rows in attempts.items()}


def _means(rows: list[Sequence[float | None]]) -> dict[str, float]:
    means = {}
    for name, values in zip(PAIRED, zip(*rows, strict=True), strict=True):
        known = [value for value in values if value is not None]
        if known:
            means[name] = sum(known) / len(known)
    return means
