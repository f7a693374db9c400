"""Comparisons of runs: paired, on the examples that both attempted, with a bootstrap interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine
from sqlmodel import Session, select

from memfactory_core.errors import RunError
from memfactory_core.runs.tables import EpisodeRow, Run
from memfactory_core.scoring.intervals import paired

PAIRED = ("exact_match", "kept", "stored", "rejected", "reward")


def compare_runs(
    engine: Engine, first: Run, second: Run, phase: str = "after/greedy"
) -> dict[str, dict[str, Any]]:
    """For each score: its mean in both runs and the mean difference (second minus first) with its 95%
    interval over the n examples that both attempted; whole texts are drawn, `clusters` says how many. RunError
    where there are none."""
    (left, told), (right, other) = (_by_example(engine, run, phase) for run in (first, second))
    # two files may both have a record 1: an id names the same example only where the text is the same
    same = {e for e in set(left) & set(right) if None in (told[e], other[e]) or told[e] == other[e]}
    if not same:
        raise RunError(
            f"the runs {first.id} and {second.id} share no examples in {phase}: compare runs with the same "
            "evaluation task and seed"
        )
    return paired(
        {e: left[e] for e in same},
        {e: right[e] for e in same},
        {e: told[e] or other[e] or e for e in same},
    )


def _by_example(
    engine: Engine, run: Run, phase: str
) -> tuple[dict[str, dict[str, float]], dict[str, str | None]]:
    """Each example's mean scores, and the text that it reads where that is known."""
    columns = [getattr(EpisodeRow, name) for name in PAIRED]
    query = select(EpisodeRow.example_id, EpisodeRow.text_id, *columns).where(
        EpisodeRow.run_id == run.id, EpisodeRow.phase == phase
    )
    attempts: dict[str, list[Sequence[float | None]]] = {}
    texts: dict[str, str | None] = {}
    with Session(engine) as session:
        for example_id, text, *values in session.exec(query):
            attempts.setdefault(example_id, []).append(values)
            texts[example_id] = text
    return {example: _means(rows) for example, rows in attempts.items()}, texts


def _means(rows: list[Sequence[float | None]]) -> dict[str, float]:
    means = {}
    for name, values in zip(PAIRED, zip(*rows, strict=True), strict=True):
        known = [value for value in values if value is not None]
        if known:
            means[name] = sum(known) / len(known)
    return means
