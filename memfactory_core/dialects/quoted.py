"""The quoted dialect, which the tiny policy speaks: an operation quotes the memory that it changes before its id
(`UPDATE The pet of Bako is Zimo. #3 to The pet of Bako is Rilo.`). Pointing is then copying, which a small model
can learn, and a quote that does not match its id is rejected instead of changing the wrong memory."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from memfactory_core.dialects import ANSWER, CITED, NONE, Dialect
from memfactory_core.dialects.listing import read_list
from memfactory_core.dialects.operations import (
    HELD,
    UNKNOWN,
    UNKNOWN_MERGE,
    holds_operation,
)
from memfactory_core.text import words
from memfactory_core.types import Memory, Op

NO_MEMORY = "No memory."
"""What a prompt says of an empty memory."""
NOOP = "NOOP"
_ID = re.compile(r"#(\w+)")
_TO = re.compile(r"#(\w+)\s+to\s+(?=\S)")
TRIED = 8
"""Ids in an output that are tried as the one that it means; an old text may hold ids of its own."""


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


class Quoted(Dialect, kind="quoted"):
    """One exact form, memories quoted before their ids: what the tiny policy speaks and scripts do."""

    def read_operations(
        self, text: str, related: Sequence[Memory], fact: str = "", merging: bool = False
    ) -> list[Op]:
        """The one operation that the output is: no such form, an id that was not shown, a quote that is not the
        memory with that id, or more than the operation is rejected."""
        text = text.strip()
        unknown = UNKNOWN_MERGE if merging else UNKNOWN
        if merging and text.startswith((NOOP, "DELETE")):
            return [Op(action="reject", text=text, reason=unknown)]
        op = _read(text, related, "MERGE" if merging else "UPDATE", unknown)
        if op.action in ("add", "update"):
            stored = op.text or ""
            if holds_operation(stored, "\n".join([fact, *(memory.text for memory in related)])):
                return [Op(action="reject", text=text, reason=HELD)]
            if "\n" in stored and stored.strip() not in fact:
                return [Op(action="reject", text=text, reason="more than one line")]
        if merging and op.action == "update":
            op = op.model_copy(update={"reason": "merged"})
        return [op]

    def read_choice(self, text: str, shown: Sequence[Memory]) -> tuple[list[Memory], str]:
        """Quotes with ids: no id, an id that was not shown and a quote that is not that memory are wrong."""
        by_id = {memory.id: memory for memory in shown}
        chosen: dict[str, Memory] = {}
        wrong, start = "", 0
        for found in _ID.finditer(text):
            quoted, start = text[start : found.start()], found.end()
            memory = by_id.get(found[1])
            if memory is None:
                wrong = wrong or f"no memory #{found[1][:40]} was shown"
            elif words(quoted) and words(quoted) != words(memory.text):
                wrong = wrong or f"the quote is not memory #{memory.id}"
            else:
                chosen.setdefault(memory.id, memory)
        if not chosen:
            wrong = wrong or "no memory was chosen"
        return list(chosen.values()), wrong

    def read_memory(self, text: str, shown: str = "") -> tuple[str, str]:
        """The output as it stands, unless it is an operation."""
        return text, HELD if holds_operation(text, shown) else ""

    def read_facts(self, text: str, shown: str = "", cut_off: bool = False) -> list[str]:
        """One fact a line, without list marks."""
        return read_list(text, shown, cut_off)

    def write_operation(self, op: Op, related: Sequence[Memory], merging: bool = False) -> str:
        """The operation with a quote of the memory that it changes."""
        known = next((memory for memory in related if memory.id == op.memory_id), None)
        if op.action == "add":
            return add(op.text or "")
        if known is None:
            return NOOP
        if op.action == "delete":
            return delete(known.text, known.id)
        said = update(known.text, known.id, op.text or "")
        return said.replace("UPDATE", "MERGE", 1) if merging else said

    def write_choice(self, chosen: Sequence[Memory]) -> str:
        """Each memory's quote with its id."""
        return " ".join(quote(memory.text, memory.id) for memory in chosen)

    def write_citations(self, cited: Sequence[Memory], answer: str) -> str:
        """The ids alone, then the answer."""
        named = " ".join(f"#{memory.id}" for memory in cited) or NONE
        return f"{CITED} {named}\n{ANSWER} {answer}"


def _read(text: str, related: Sequence[Memory], change: str, unknown: str) -> Op:
    verb, body = [*text.split(None, 1), "", ""][:2]
    if text == NOOP:
        return Op(action="noop", text=text)
    if verb == "ADD" and body:
        return Op(action="add", text=body)
    if verb == change:
        places = list(islice(_TO.finditer(body), TRIED))
    elif verb == "DELETE":
        start = body.rfind("#")
        found = _ID.fullmatch(body, start) if start >= 0 else None
        places = [found] if found else []
    else:
        places = []
    if not places:
        return Op(action="reject", text=text, reason=unknown)
    refused = ""
    for place in places:
        old, memory_id = body[: place.start()], place[1]
        known = next((memory for memory in related if memory.id == memory_id), None)
        if known is None:
            refused = refused or f"no memory #{memory_id[:40]} was shown"
        elif words(old) and words(old) != words(known.text):
            refused = refused or f"the quote is not memory #{memory_id}"
        elif verb == "DELETE":
            return Op(action="delete", memory_id=memory_id)
        else:
            return Op(action="update", memory_id=memory_id, text=body[place.end() :])
    return Op(action="reject", text=text, reason=refused)
