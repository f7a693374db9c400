"""Reads of a run's curves, thinned out in the database."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlmodel import Session

from app.reads.engine import database_engine
from memfactory_core.runs.tables import Metric

CURVE_POINTS = 2000
"""Points of one curve at most."""


def read_curves(
    run_id: str, names: Sequence[str], points: int = CURVE_POINTS
) -> dict[str, list[tuple[int, float]]]:
    """The named curves as (step, value); a long one is thinned to means over equal stretches of
    steps."""
    with Session(database_engine()) as session:
        of_run = (Metric.run_id == run_id, Metric.name.in_(names))
        last = session.execute(select(func.max(Metric.step)).where(*of_run)).scalar() or 0
        stretch = -(-(last + 1) // points)
        place = Metric.step // stretch if stretch > 1 else Metric.step
        chosen = (
            select(Metric.name, func.min(Metric.step), func.avg(Metric.value))
            .where(*of_run)
            .group_by(Metric.name, place)
            .order_by(Metric.name, func.min(Metric.step))
        )
        found: dict[str, list[tuple[int, float]]] = {}
        for name, step, value in session.execute(chosen):
            found.setdefault(name, []).append((step, value))
    return {name: found[name] for name in names if name in found}
