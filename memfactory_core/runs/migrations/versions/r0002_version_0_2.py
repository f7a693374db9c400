"""What version 0.2.0 added: time before a resume, an imported run's first id, texts, failed questions, counts. That
version added columns by itself and kept no number, so what is there already is left as it is."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    """Adds the columns and the table that are missing."""
    added: dict[str, list[sa.Column[Any]]] = {
        "run": [
            sa.Column("seconds", sa.Float(), nullable=False, server_default="0"),
            sa.Column("origin", sa.String(), nullable=False, server_default=""),
        ],
        "episode": [
            sa.Column(name, sa.String(), nullable=True)
            for name in ("text_id", "failed_question", "failed_answer", "failed_gold")
        ],
    }
    inspector = sa.inspect(op.get_bind())
    for table, columns in added.items():
        known = {column["name"] for column in inspector.get_columns(table)}
        for column in columns:
            if column.name not in known:
                op.add_column(table, column)
    # version 0.2.0 added them without a default, so rows of 0.1.0 may hold none
    op.execute("UPDATE run SET seconds = 0 WHERE seconds IS NULL")
    op.execute("UPDATE run SET origin = '' WHERE origin IS NULL")
    if not inspector.has_table("tally"):
        op.create_table(
            "tally",
            sa.Column("run_id", sa.String(), primary_key=True),
            sa.Column("phase", sa.String(), primary_key=True),
            sa.Column("step", sa.Integer(), primary_key=True, autoincrement=False),
            sa.Column("name", sa.String(), primary_key=True),
            sa.Column("count", sa.Integer(), nullable=False),
        )
