"""How far a run is with what it does at the moment."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0006", "0005"


def upgrade() -> None:
    """Adds the column where it is missing; of runs of before nothing is known."""
    known = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("run")}
    if "progress" not in known:
        op.add_column("run", sa.Column("progress", sa.Float(), nullable=True))
