"""Chats that were held: what was read and asked, with the whole trace, so that the bank of a chat can be looked
into like that of an episode. They stand beside the runs, never among their episodes, and are not exported."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, LargeBinary, delete, insert
from sqlmodel import Field, Session, select

from memfactory_core.runs.bodies import pack, unpack
from memfactory_core.runs.database import now, write
from memfactory_core.runs.tables import Table
from memfactory_core.trace import Episode
from memfactory_core.types import Record

LONGEST_NAME = 500
"""Characters of what was asked, or told first, under which a chat stands in the list."""
KEPT = 200
"""Chats that are kept; the oldest go first."""


class ChatRow(Table, table=True):
    """One question of a chat, with the bank that it was answered from."""

    __tablename__ = "chat"
    id: str = Field(primary_key=True)
    agent: str
    question: str
    created: float = Field(index=True)
    body: bytes = Field(sa_type=LargeBinary)


class Chat(Record):
    """A chat in a list."""

    id: str
    agent: str
    question: str
    created: float


def save(engine: Engine, agent: str, episode: Episode, kept: int = KEPT) -> None:
    """Keeps a chat under its episode's id and lets go of all but the newest `kept`."""
    said = [episode.example.question, *episode.example.observations]
    row = ChatRow(
        id=episode.id, agent=agent, question=next(filter(None, said), "")[:LONGEST_NAME], created=now(),
        body=pack(episode),
    )  # fmt: skip
    newest = select(ChatRow.id).order_by(ChatRow.created.desc(), ChatRow.id).limit(kept)
    values = row.model_dump()

    def keep(connection: Connection) -> None:
        connection.execute(delete(ChatRow).where(ChatRow.id == row.id))
        connection.execute(insert(ChatRow), values)
        connection.execute(delete(ChatRow).where(ChatRow.id.not_in(newest)))

    write(engine, keep)


def recent(engine: Engine, limit: int = KEPT) -> Sequence[Chat]:
    """The newest chats first, without their traces."""
    columns = select(ChatRow.id, ChatRow.agent, ChatRow.question, ChatRow.created)
    with Session(engine) as session:
        rows = session.exec(columns.order_by(ChatRow.created.desc(), ChatRow.id).limit(limit))
        return [Chat(**row._mapping) for row in rows]


def get(engine: Engine, chat_id: str) -> Episode | None:
    """The trace of a chat, None where it is not kept (any more)."""
    with Session(engine) as session:
        row = session.get(ChatRow, chat_id)
        return unpack(row.body) if row else None
