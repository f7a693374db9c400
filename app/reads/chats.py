"""Reads of the chats that are kept."""

from __future__ import annotations

from app.reads.engine import database_engine
from memfactory_core.runs import chats
from memfactory_core.trace import Episode


def list_chats(limit: int = chats.KEPT) -> list[chats.Chat]:
    """The chats that are kept, newest first."""
    return list(chats.recent(database_engine(), limit))


def read_chat(chat_id: str) -> Episode | None:
    """What was read and answered in a chat."""
    return chats.get(database_engine(), chat_id)
