"""One entry of a talk: what was said or done, and which events of the trace it led to."""

from __future__ import annotations

from collections.abc import Generator
from typing import Literal

from pydantic import BaseModel, ConfigDict

EntryKind = Literal["told", "asked", "document", "session", "hand", "bank", "hint"]


class Entry(BaseModel):
    """Grows while the agent works. `told` and `document` were read, `asked` was answered, `session` is the end of a
    session whose messages were read together, `hand` a change by the user, `bank` the memories of before, `hint` a
    message in words that the agent does not know."""

    model_config = ConfigDict(extra="forbid")

    kind: EntryKind
    text: str
    first: int = 0
    """The number of its first event."""
    end: int = 0
    """The number after its last event."""
    first_section: int = 0
    """The place of its first section among all that was read."""
    sections: int = 0
    """How many sections there are to read."""
    read: int = 0
    """How many of them have been read."""
    answer: str | None = None
    """The answer to a question, or what there is of one that was stopped; None while there is none."""
    partial: str = ""
    """The part of an answer that has been said so far."""
    note: str = ""
    """What there is to know of it besides: it was stopped, it waits, it failed, it was refused."""


Entries = Generator[Entry, None, None]
"""What a message leads to: the entry at work, again after each step of the agent."""
