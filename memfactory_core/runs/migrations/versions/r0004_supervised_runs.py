"""A run's device and its turn in the queue for it, and what was seen of its process's end."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0004", "0003"


def upgrade() -> None:
    """Adds the columns that are missing; runs of before have no device, no turn and no end that was seen."""
    known = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("run")}
    for column in (
        sa.Column("device", sa.String(), nullable=False, server_default=""),
        sa.Column("turn", sa.Float(), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("exit_signal", sa.String(), nullable=False, server_default=""),
        sa.Column("out_of_memory", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("peak_memory", sa.BigInteger(), nullable=True),
    ):
        if column.name not in known:
            op.add_column("run", column)
