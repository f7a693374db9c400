"""What a person writes to a run (tags, a note), and the sweep that a run is a cell of."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0005", "0004"


def upgrade() -> None:
    """Adds the columns that are missing; runs of before have no tags, no note and are of no sweep."""
    known = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("run")}
    for name in ("tags", "note", "sweep", "cell"):
        if name not in known:
            op.add_column("run", sa.Column(name, sa.String(), nullable=False, server_default=""))
