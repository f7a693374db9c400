"""Reads of memories and needed facts: how long they lived, never read, lost too early."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from app.reads.engine import database_engine
from memfactory_core.explain.needs import Need
from memfactory_core.runs.tables import MemoryRow, NeedRow

SHOWN_MEMORY = 400
"""Characters of a memory that a list reads."""
MOST_NEEDS = 2000
"""Needed facts that a survival curve is computed from at most."""
LOST_CAUSES = ("overwritten", "deleted", "merged_away", "altered", "invented")
"""Causes by which a fact that was in memory may be gone when it is needed; that it was there, `lost` says."""


def list_needs(run_id: str, phase: str) -> list[Need]:
    """What became of the needed facts of a phase, of the first NEEDS of them."""
    names = list(Need.model_fields)
    with Session(database_engine()) as session:
        chosen = (
            select(*(getattr(NeedRow, name) for name in names))
            .where(NeedRow.run_id == run_id, NeedRow.phase == phase)
            .limit(MOST_NEEDS)
        )
        return [Need(**row) for row in session.execute(chosen).mappings()]


def list_unread_memories(
    run_id: str, phase: str, limit: int, offset: int = 0
) -> list[dict[str, Any]]:
    """One page of the memories that were written and never read, newest first."""
    names = ("episode_id", "memory_id", "step", "written", "updates")
    text = func.substr(MemoryRow.text, 1, SHOWN_MEMORY).label("text")
    with Session(database_engine()) as session:
        chosen = (
            select(*(getattr(MemoryRow, name) for name in names), text)
            .where(MemoryRow.run_id == run_id, MemoryRow.phase == phase, MemoryRow.reads == 0)
            .order_by(MemoryRow.step.desc())
            .limit(limit)
            .offset(offset)
        )
        return [dict(row) for row in session.execute(chosen).mappings()]


def count_memories(run_id: str, phase: str, unread: bool = False) -> int:
    """How many memories were written in a phase, or written and never read."""
    chosen = select(func.count()).where(MemoryRow.run_id == run_id, MemoryRow.phase == phase)
    if unread:
        chosen = chosen.where(MemoryRow.reads == 0)
    with Session(database_engine()) as session:
        return session.execute(chosen).scalar_one()


def list_lost_facts(run_id: str, phase: str, limit: int, offset: int = 0) -> list[dict[str, Any]]:
    """One page of the facts that were in memory, were lost and then needed, newest first."""
    names = ("episode_id", "step", "text", "told", "cause", "cause_seq")
    with Session(database_engine()) as session:
        chosen = (
            select(*(getattr(NeedRow, name) for name in names))
            .where(NeedRow.run_id == run_id, NeedRow.phase == phase, NeedRow.cause.in_(LOST_CAUSES))
            .where(NeedRow.lost.is_not(None))
            .order_by(NeedRow.step.desc())
            .limit(limit)
            .offset(offset)
        )
        return [dict(row) for row in session.execute(chosen).mappings()]


def count_needs(run_id: str, phase: str, were_lost: bool = False) -> int:
    """How many needed facts a phase followed, or how many of them were lost before they were
    needed."""
    chosen = select(func.count()).where(NeedRow.run_id == run_id, NeedRow.phase == phase)
    if were_lost:
        chosen = chosen.where(NeedRow.cause.in_(LOST_CAUSES), NeedRow.lost.is_not(None))
    with Session(database_engine()) as session:
        return session.execute(chosen).scalar_one()
