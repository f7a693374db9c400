"""Reads of the causes of wrong answers, over the steps, and of the episodes behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import and_, case, func, or_, select
from sqlmodel import Session

from app.reads.engine import database_engine
from app.reads.episodes import LISTED_COLUMNS
from app.reads.steps import find_step_range
from memfactory_core.explain.causes import explain, primary
from memfactory_core.runs.recording import failed_columns
from memfactory_core.runs.tables import EpisodeRow

FAILED_COLUMNS = (
    EpisodeRow.failed_question, EpisodeRow.failed_answer, EpisodeRow.failed_gold,
)  # fmt: skip
MOST_BARS = 48
"""Bars of one chart, and steps whose operations are counted, at most."""


def count_causes(run_id: str, phase: str) -> list[dict[str, Any]]:
    """Equal stretches of steps, at most BARS: first and last step, episodes kept, and how many
    failed of each cause."""
    start, end = find_step_range(run_id, phase)
    stretch = -(-(end - start + 1) // MOST_BARS)
    place = (EpisodeRow.step - start) // stretch
    with Session(database_engine()) as session:
        chosen = (
            select(place, EpisodeRow.cause, func.count())
            .where(EpisodeRow.run_id == run_id, EpisodeRow.phase == phase)
            .group_by(place, EpisodeRow.cause)
        )
        bars: dict[int, dict[str, Any]] = {}
        for number, cause, count in session.execute(chosen):
            first = start + number * stretch
            empty = {"first": first, "last": min(first + stretch - 1, end), "all": 0, "causes": {}}
            bar = bars.setdefault(number, empty)
            bar["all"] += count
            if cause:
                bar["causes"][cause] = count
    return [bars[number] for number in sorted(bars)]


def list_failures(
    run_id: str, phase: str, cause: str, steps: tuple[int, int], limit: int, offset: int = 0
) -> list[dict[str, Any]]:
    """One page of the episodes that failed of one cause within a stretch of steps, newest first; with the question
    that failed, its answer and its right answer."""
    return _list_failed(run_id, _failed(run_id, phase, cause, steps), limit, offset)


def list_wrong(run_id: str, phase: str, limit: int, offset: int = 0) -> list[dict[str, Any]]:
    """One page of the episodes of a phase that failed, whatever the cause, newest first; as `list_failures`."""
    wrong = (
        EpisodeRow.run_id == run_id, EpisodeRow.phase == phase, EpisodeRow.cause.is_not(None),
    )  # fmt: skip
    return _list_failed(run_id, wrong, limit, offset)


def count_wrong(run_id: str, phase: str) -> tuple[int, int]:
    """How many episodes of a phase failed, and how many there are."""
    with Session(database_engine()) as session:
        chosen = select(func.count(EpisodeRow.cause), func.count()).where(
            EpisodeRow.run_id == run_id, EpisodeRow.phase == phase
        )
        wrong, total = session.execute(chosen).one()
    return wrong, total


def _list_failed(
    run_id: str, conditions: tuple[Any, ...], limit: int, offset: int
) -> list[dict[str, Any]]:
    columns = (
        *LISTED_COLUMNS, EpisodeRow.phase, EpisodeRow.step, EpisodeRow.cause, EpisodeRow.cause_seq,
    )  # fmt: skip
    with Session(database_engine()) as session:
        chosen = (
            select(*columns, *FAILED_COLUMNS)
            .where(*conditions)
            .order_by(EpisodeRow.step.desc(), EpisodeRow.id)
            .limit(limit)
            .offset(offset)
        )
        rows = [dict(row) for row in session.execute(chosen).mappings()]
        for row in rows:
            row["attempt"], row["attempts"] = _find_attempt(session, run_id, row)
    for row in rows:
        if row["failed_question"] is None:
            row |= _find_failed(run_id, row["id"])
    return rows


def _find_attempt(session: Session, run_id: str, row: Mapping[str, Any]) -> tuple[int, int]:
    """The number of an attempt at its question in its group, best first, and how many there are."""
    better = or_(
        EpisodeRow.reward > row["reward"],
        and_(EpisodeRow.reward == row["reward"], EpisodeRow.id <= row["id"]),
    )
    chosen = select(func.sum(case((better, 1), else_=0)), func.count()).where(
        EpisodeRow.run_id == run_id, EpisodeRow.phase == row["phase"],
        EpisodeRow.step == row["step"], EpisodeRow.group_id == row["group_id"],
        EpisodeRow.question == row["question"],
    )  # fmt: skip
    number, count = session.execute(chosen).one()
    return int(number), count


def _find_failed(run_id: str, episode_id: str) -> dict[str, str]:
    """The failed question of a row that an older version wrote: it is found from the whole episode."""
    with Session(database_engine()) as session:
        episode = session.get_one(EpisodeRow, (run_id, episode_id)).episode
    return {
        name: value or ""
        for name, value in failed_columns(episode, primary(explain(episode))).items()
    }


def count_failures(run_id: str, phase: str, cause: str, steps: tuple[int, int]) -> int:
    """How many episodes failed of one cause within a stretch of steps."""
    with Session(database_engine()) as session:
        of_cause = _failed(run_id, phase, cause, steps)
        return session.execute(select(func.count()).where(*of_cause)).scalar_one()


def _failed(run_id: str, phase: str, cause: str, steps: tuple[int, int]) -> tuple[Any, ...]:
    return (
        EpisodeRow.run_id == run_id, EpisodeRow.phase == phase, EpisodeRow.cause == cause,
        EpisodeRow.step.between(*steps),
    )  # fmt: skip
