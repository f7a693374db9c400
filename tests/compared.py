"""Two runs compared as the pages and the shell compare them."""

from typing import Any

from sqlalchemy import Engine

from memfactory_core.runs.attempts import Side, read_attempts
from memfactory_core.runs.comparison import compare_sides
from memfactory_core.runs.tables import Run


def compare_greedy(engine: Engine, first: Run, second: Run) -> dict[str, dict[str, Any]]:
    """The scores of two runs' greedy evaluations after training."""
    sides = Side(first, "after/greedy"), Side(second, "after/greedy")
    return compare_sides(*sides, *(read_attempts(engine, side) for side in sides)).scores
