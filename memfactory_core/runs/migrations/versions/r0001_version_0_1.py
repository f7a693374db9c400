"""The tables of version 0.1.0. Databases of that time hold no number, so what is there already is left as it is."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def _name(column: str) -> sa.Column:
    return sa.Column(column, sa.String(), primary_key=True)


def _of_step() -> list[sa.Column]:
    return [_text("phase"), sa.Column("step", sa.Integer(), nullable=False)]


def _text(column: str, nullable: bool = False) -> sa.Column:
    return sa.Column(column, sa.String(), nullable=nullable)


def _number(column: str, nullable: bool = False) -> sa.Column:
    return sa.Column(column, sa.Float(), nullable=nullable)


def _whole(column: str, nullable: bool = False) -> sa.Column:
    return sa.Column(column, sa.Integer(), nullable=nullable)


def upgrade() -> None:
    """Makes every table that is not there, with its indexes."""
    known = set(sa.inspect(op.get_bind()).get_table_names())
    tables = {
        "run": [
            _name("id"), _text("name"), _text("mode"), _text("state"), _text("reason"), _text("folder"),
            _text("config"), _number("created"), _number("started", True), _number("ended", True),
            _number("heartbeat", True), _whole("pid", True), _number("born", True), _text("token"),
            _text("phase"), _whole("step"), _whole("steps"), _number("eta", True), _text("results"),
        ],
        "metric": [
            _name("run_id"), _name("name"), sa.Column("step", sa.Integer(), primary_key=True, autoincrement=False),
            _number("value"),
        ],
        "episode": [
            _name("run_id"), _name("id"), *_of_step(), _text("group_id"), _text("example_id"), _text("question"),
            _text("answer"), _text("gold"), _number("reward"), _number("advantage"), _number("exact_match"),
            _number("stored", True), _number("kept", True), _number("rejected"), _whole("turns"),
            _text("stop_reason"), _text("cause", True), _whole("cause_seq", True),
            sa.Column("body", sa.LargeBinary(), nullable=False),
        ],
        "event": [
            _name("run_id"), _name("episode_id"),
            sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=False), _text("kind"),
            _whole("at", True), _whole("turn"), _text("action", True), _text("memory_id", True), _text("text", True),
        ],
        "need": [
            _name("run_id"), _name("episode_id"),
            sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False), *_of_step(), _text("text"),
            _whole("told"), _whole("stored", True), _whole("lost", True), _whole("observations"),
            _text("cause", True), _whole("cause_seq", True),
        ],
        "fate": [
            _name("run_id"), _name("episode_id"), _name("memory_id"), *_of_step(), _text("text"), _whole("written"),
            _whole("updates"), _whole("reads"), _whole("last_read", True), _whole("ended", True),
            sa.Column("needed_later", sa.Boolean(), nullable=False),
        ],
        "chat": [
            _name("id"), _text("agent"), _text("question"), _number("created"),
            sa.Column("body", sa.LargeBinary(), nullable=False),
        ],
    }  # fmt: skip
    indexes = {
        "run": {"ix_run_state": ["state"]},
        "episode": {
            "ix_episode_cause": ["cause"],
            "episode_by_step": ["run_id", "phase", "step", "group_id"],
            "episode_by_reward": ["run_id", "phase", "reward"],
            "episode_by_cause": ["run_id", "phase", "cause", "step"],
        },
        "event": {"event_by_action": ["run_id", "action"]},
        "need": {
            "need_by_step": ["run_id", "phase", "step"],
            "need_by_cause": ["run_id", "phase", "cause", "step"],
        },
        "fate": {"fate_by_run": ["run_id", "phase", "reads", "step"]},
        "chat": {"ix_chat_created": ["created"]},
    }
    for table, columns in tables.items():
        if table in known:
            continue
        op.create_table(table, *columns)
        for index, named in indexes.get(table, {}).items():
            op.create_index(index, table, named)
