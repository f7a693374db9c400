"""What the attempts at one example share is kept once, in `example`; episodes of before stay as they are, whole. The
table of events goes: its rows stood in the episodes already, and how often each operation was carried out is counted
from now on. Two indexes that nothing reads go with it."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0007", "0006"
UNREAD = ("episode_by_reward", "ix_episode_cause")

episodes = sa.table("episode", *map(sa.column, ("run_id", "id", "phase", "step")))
events = sa.table("event", *map(sa.column, ("run_id", "episode_id", "action")))
counts = sa.table("tally", *map(sa.column, ("run_id", "phase", "step", "name", "count")))


def upgrade() -> None:
    """Makes the table and the column that are missing, counts the operations and drops what nothing reads."""
    inspector = sa.inspect(op.get_bind())
    if not inspector.has_table("example"):
        op.create_table(
            "example",
            sa.Column("run_id", sa.String(), primary_key=True),
            sa.Column("id", sa.String(), primary_key=True),
            sa.Column("pattern", sa.LargeBinary(), nullable=False),
        )
    if "shared" not in {column["name"] for column in inspector.get_columns("episode")}:
        op.add_column("episode", sa.Column("shared", sa.String(), nullable=True))
    known = {index["name"] for index in inspector.get_indexes("episode")}
    for name in UNREAD:
        if name in known:
            op.drop_index(name, "episode")
    if inspector.has_table("event"):
        _count_operations(op.get_bind())
        op.drop_table("event")


def _count_operations(connection: sa.Connection) -> None:
    """Runs that r0003 has counted know their operations already."""
    done = sa.select(counts.c.run_id).where(counts.c.name.like("wrote/%"))
    place = (episodes.c.run_id, episodes.c.phase, episodes.c.step)
    name = sa.literal("wrote/", sa.String()) + sa.type_coerce(events.c.action, sa.String())
    found = (
        sa.select(*place, name, sa.func.count())
        .join(
            events,
            sa.and_(events.c.run_id == episodes.c.run_id, events.c.episode_id == episodes.c.id),
        )
        .where(events.c.action.is_not(None), episodes.c.run_id.not_in(done))
        .group_by(*place, events.c.action)
    )
    connection.execute(
        sa.insert(counts).from_select(["run_id", "phase", "step", "name", "count"], found)
    )
