"""The quoted dialect, which the tiny policy speaks: an operation quotes the memory that it changes before its id
(`UPDATE The pet of Bako is Zimo. #3 to The pet of Bako is Rilo.`). Pointing is then copying, which a small model
can learn, and a quote that does not match its id is rejected instead of changing the wrong memory."""

from __future__ import annotations

import re
from collections.abc import Sequence

from memfactory_core.text import words
from memfactory_core.types import Memory, Op

NO_MEMORY = "No memory."
"""What a prompt says of an empty memory."""
NOOP = "NOOP"
_UPDATE = re.compile(r"^UPDATE\s+(.*?)\s*#(\w+)\s+to\s+(.+)$", re.DOTALL)
_DELETE = re.compile(r"^DELETE\s+(.*?)\s*#(\w+)\s*$", re.DOTALL)
_ADD = re.compile(r"^ADD\s+(.+)$", re.DOTALL)


def quote(text: str, memory_id: str | int) -> str:
    """A memory as policies see it and point at it: its text, then its id."""
    return f"{text} #{memory_id}"


def join_memory(texts: Sequence[str]) -> str:
    """Memories as one line of a prompt; an empty memory is written out."""
    return " ".join(texts) or NO_MEMORY


def list_memories(memories: Sequence[Memory]) -> str:
    """Memories with their ids as one line of a prompt; words for an empty bank."""
    return join_memory([quote(memory.text, memory.id) for memory in memories])


def add(text: str) -> str:
    """The operation that stores a text."""
    return f"ADD {text}"


def update(old: str, memory_id: str | int, new: str) -> str:
    """The operation that replaces the memory `memory_id`, which reads `old`, by `new`."""
    return f"UPDATE {quote(old, memory_id)} to {new}"


def delete(old: str, memory_id: str | int) -> str:
    """The operation that removes the memory `memory_id`, which reads `old`."""
    return f"DELETE {quote(old, memory_id)}"


def parse_operation(text: str, related: Sequence[Memory]) -> Op:
    """The operation that an output asks for, or a `reject` with the reason: no such form, an id that was
    not shown, a quote that is not the memory with that id."""
    text = text.strip()
    if text == NOOP:
        return Op(action="noop", text=text)
    if added := _ADD.match(text):
        return Op(action="add", text=added[1])
    updated, deleted = _UPDATE.match(text), _DELETE.match(text)
    found = updated or deleted
    if not found:
        return Op(action="reject", text=text, reason="not one of ADD, UPDATE, DELETE, NOOP")
    old, memory_id = found[1], found[2]
    known = next((memory for memory in related if memory.id == memory_id), None)
    if known is None:
        return Op(action="reject", text=text, reason=f"no memory #{memory_id} was shown")
    if old and words(old) != words(known.text):
        return Op(action="reject", text=text, reason=f"the quote is not memory #{memory_id}")
    if updated:
        return Op(action="update", memory_id=memory_id, text=updated[3])
    return Op(action="delete", memory_id=memory_id)
