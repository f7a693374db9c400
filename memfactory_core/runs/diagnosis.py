"""The counts that a run's diagnosis reads, added up by the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, case, func, select
from sqlmodel import Session

from memfactory_core.explain.diagnosis import Counts, Diagnosis, diagnose
from memfactory_core.explain.stages import settings_at, starts
from memfactory_core.runs.tables import EpisodeRow, Metric, NeedRow, Run, TallyRow

PHASES = ("after/greedy", "after/sampled", "train", "before/greedy", "before/sampled")
"""Which phase is diagnosed: the first of these that has episodes, what the policy does now before what it did."""
LAST_FIFTH = 5
UNBOUNDED = 2**62
"""More characters than any text has, for stores without a budget."""


def diagnose_run(engine: Engine, run: Run) -> tuple[str, list[Diagnosis]]:
    """The phase that was diagnosed and what stood in the way there, the weightiest first; ("", []) for a run
    without episodes. Of training, the last fifth of the steps counts, as far as they are of one stage."""
    with Session(engine) as session:
        known = select(EpisodeRow.phase).where(EpisodeRow.run_id == run.id).distinct()
        found = set(session.execute(known).scalars())
    phase = next((phase for phase in PHASES if phase in found), "")
    if not phase:
        return "", []
    return phase, diagnose(count_run(engine, run, phase), _settings_of(engine, run, phase))


def _settings_of(engine: Engine, run: Run, phase: str) -> dict[str, Any]:
    """The run's settings as the last episodes of a phase had them: those of a training may be of a stage."""
    return settings_at(run.settings, _last_step(engine, run, phase) if phase == "train" else 0)


def _last_step(engine: Engine, run: Run, phase: str) -> int:
    last = select(func.max(EpisodeRow.step)).where(
        EpisodeRow.run_id == run.id, EpisodeRow.phase == phase
    )
    with Session(engine) as session:
        return session.execute(last).scalar_one() or 0


def count_run(engine: Engine, run: Run, phase: str) -> Counts:
    """What a phase's episodes add up to; of training, those of the last fifth of its steps, as far as they are of one
    stage."""
    settings = _settings_of(engine, run, phase)
    budget = settings.get("paradigm", {}).get("store", {}).get("budget")
    end = _last_step(engine, run, phase)
    since = max((step for step in starts(settings.get("training", {})) if step <= end), default=0)
    first = max(since, end - end // LAST_FIFTH) if phase == "train" else 0
    with Session(engine) as session:

        def here(table: type) -> list:
            return [table.run_id == run.id, table.phase == phase, table.step >= first]

        tallies = (
            select(TallyRow.name, func.sum(TallyRow.count))
            .where(*here(TallyRow))
            .group_by(TallyRow.name)
        )
        causes = (
            select(EpisodeRow.cause, func.count())
            .where(*here(EpisodeRow))
            .group_by(EpisodeRow.cause)
        )
        by_cause = dict(session.execute(causes).all())
        episodes = sum(by_cause.values())
        by_cause.pop(None, None)
        is_long = func.length(NeedRow.text) > (UNBOUNDED if budget is None else budget)
        long = func.sum(case((is_long, 1), else_=0))
        facts = session.execute(select(func.count(), long).where(*here(NeedRow))).one()
        counts = {name: int(count) for name, count in session.execute(tallies)}
        curves = {
            name: _last_values(session, run.id, name, since)
            if phase in ("train", *PHASES[:2])
            else ()
            for name in ("equal_groups", "reward")
        }
    return Counts(
        tally=counts, causes=by_cause, episodes=episodes, facts=facts[0],
        long_facts=int(facts[1] or 0), **curves,
    )  # fmt: skip


def _last_values(session: Session, run_id: str, name: str, since: int) -> tuple[float, ...]:
    """The last fifth of a curve from this step on; () where there are fewer than 15 points, too few to judge."""
    chosen = select(Metric.value).where(
        Metric.run_id == run_id, Metric.name == name, Metric.step >= since
    )
    values = list(session.execute(chosen.order_by(Metric.step)).scalars())
    size = len(values) // LAST_FIFTH
    return tuple(values[-size:]) if size >= 3 else ()
