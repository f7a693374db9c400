"""Runs of version 0.1.0 get the counts that their diagnosis reads; they are added up from the whole episodes."""

import zlib
from collections import Counter

import sqlalchemy as sa
from alembic import op
from pydantic import ValidationError

from memfactory_core.explain.diagnosis import tally
from memfactory_core.trace import Episode

revision, down_revision = "0003", "0002"
AT_ONCE = 64
"""Episodes that are unpacked at a time."""

episodes = sa.table("episode", *map(sa.column, ("run_id", "id", "phase", "step", "body")))
counts = sa.table("tally", *map(sa.column, ("run_id", "phase", "step", "name", "count")))


def upgrade() -> None:
    """Adds up every run that has episodes and no counts."""
    connection = op.get_bind()
    counted = sa.select(counts.c.run_id)
    chosen = sa.select(episodes.c.run_id).where(episodes.c.run_id.not_in(counted)).distinct()
    for run_id in connection.execute(chosen).scalars().all():
        _count(connection, run_id)


def _count(connection: sa.Connection, run_id: str) -> None:
    found: Counter[tuple[str, int, str]] = Counter()
    columns = sa.select(episodes.c.id, episodes.c.phase, episodes.c.step, episodes.c.body)
    of_run = columns.where(episodes.c.run_id == run_id).order_by(episodes.c.id).limit(AT_ONCE)
    last = ""
    while rows := connection.execute(of_run.where(episodes.c.id > last)).all():
        last = rows[-1].id
        for row in rows:
            try:
                episode = Episode.model_validate_json(zlib.decompress(row.body))
            except (zlib.error, ValidationError):
                continue  # one that cannot be read is not counted: it must not keep the lab shut
            for name, count in tally([episode]).items():
                found[row.phase, row.step, name] += count
    if found:
        values = [
            {"run_id": run_id, "phase": phase, "step": step, "name": name, "count": count}
            for (phase, step, name), count in found.items()
        ]
        connection.execute(sa.insert(counts), values)
