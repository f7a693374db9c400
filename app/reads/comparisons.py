"""Reads of what runs attempted, kept for as long as a run has not gone on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.reads.engine import database_engine
from memfactory_core.errors import RunError
from memfactory_core.runs.attempts import Side, read_attempts
from memfactory_core.runs.comparison import Attempts, Comparison, compare_sides

KEPT = 12
"""Sides and comparisons that are kept, the newest."""
_attempts: dict[tuple[str, ...], Attempts] = {}
_comparisons: dict[tuple[str, ...], Comparison] = {}


def _moment(side: Side) -> tuple[str, ...]:
    run = side.run
    return (str(database_engine().url), run.id, side.phase, run.state, run.phase, str(run.step))


def find_attempts(side: Side) -> Attempts:
    """The attempts of a side by example."""
    key = _moment(side)
    if key not in _attempts:
        _attempts[key] = read_attempts(database_engine(), side)
        _forget(_attempts)
    return _attempts[key]


def find_comparison(first: Side, second: Side) -> Comparison:
    """Two sides on the examples that both attempted. RunError where there are none."""
    key = (*_moment(first), *_moment(second))
    if key not in _comparisons:
        found = compare_sides(first, second, find_attempts(first), find_attempts(second))
        _comparisons[key] = found
        _forget(_comparisons)
    return _comparisons[key]


def compare_with_first(
    sides: Sequence[Side],
) -> tuple[dict[str, Comparison], dict[str, str]]:
    """Every other side against the first, by its key; and why some cannot be compared."""
    found: dict[str, Comparison] = {}
    refused: dict[str, str] = {}
    for side in sides[1:]:
        try:
            found[side.key] = find_comparison(sides[0], side)
        except RunError as error:
            refused[side.key] = str(error)
    return found, refused


def _forget(kept: dict[tuple[str, ...], Any]) -> None:
    while len(kept) > KEPT:
        kept.pop(next(iter(kept)), None)
