"""Memory-R1's manager (arXiv 2508.19828): for each fact the policy sees the related memories with their ids
and writes ADD, UPDATE, DELETE or NOOP, which is carried out at once. UPDATE keeps the id.

Departures: 1. an operation quotes the memory it changes before its id (`UPDATE The pet of Bako is Zimo. #3 to
The pet of Bako is Rilo.`): pointing is then copying, which a small model can learn, and a quote that does not
match its id is rejected instead of changing the wrong memory; 2. one fact a turn, no JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from typing import Any

from pydantic import Field

from memfactory_core.component import Part
from memfactory_core.episode import Context
from memfactory_core.retrievers import Retriever
from memfactory_core.retrievers.bm25 import BM25
from memfactory_core.text import words
from memfactory_core.types import Memory, Message, Op
from memfactory_core.updaters import Updater
from memfactory_core.updaters.overwrite import NO_MEMORY

SYSTEM = (
    "You keep a bank of memories. You see the memories that are related to a new fact, each followed by "
    "its id, and the fact. Write one operation and nothing else:\n"
    "ADD <text> - the fact is new and worth keeping;\n"
    "UPDATE <old memory> #<id> to <text> - the fact changes or completes that memory; merge both;\n"
    "DELETE <old memory> #<id> - the fact takes that memory back;\n"
    "NOOP - there is nothing to keep or it is known already."
)
_UPDATE = re.compile(r"^UPDATE\s+(.*?)\s*#(\w+)\s+to\s+(.+)$", re.DOTALL)
_DELETE = re.compile(r"^DELETE\s+(.*?)\s*#(\w+)\s*$", re.DOTALL)
_ADD = re.compile(r"^ADD\s+(.+)$", re.DOTALL)


def quote(memory: Memory) -> str:
    """A memory as policies see it and point at it: its text, then its id."""
    return f"{memory.text} #{memory.id}"


def list_memories(memories: Sequence[Memory]) -> str:
    """Memories with their ids in one line; words for an empty bank."""
    return " ".join(quote(memory) for memory in memories) or NO_MEMORY


def manage_messages(related: Sequence[Memory], fact: str) -> list[Message]:
    """The conversation of one decision."""
    content = f"Memory: {list_memories(related)}\nFact: {fact}\nUpdate:"
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}]


def parse_operation(text: str, related: Sequence[Memory]) -> Op:
    """The operation that an output asks for, or a `reject` with the reason: no such form, an id that was
    not shown, a quote that is not the memory with that id."""
    text = text.strip()
    if text == "NOOP":
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


def decide_each(
    role: str,
    facts: list[str],
    context: Context,
    retriever: Retriever,
    max_tokens: int,
    messages: Callable[[list[Memory], str], list[Message]],
    parse: Callable[[str, list[Memory]], Op],
) -> Generator[Any, Any, list[Op]]:
    """One decision of the policy for each fact beside its related memories, carried out before the next; one
    that is cut off at `max_tokens` is rejected."""
    for fact in facts:
        hits = yield from context.recall(retriever, fact)
        related = [hit.memory for hit in hits]
        asked = messages(related, fact)
        text = yield from context.ask(role, asked, max_tokens, fact=fact, related=related)
        op = parse(text, related)
        if context.cut_off:
            op = Op(action="reject", text=text, reason="cut off at the length limit")
        context.apply([op])
    return []


class Crud(Updater, kind="crud"):
    """The policy decides for each fact: ADD, UPDATE, DELETE or NOOP (Memory-R1)."""

    related: Part[Retriever] = BM25(top_k=3)
    """Which memories the policy sees beside the fact."""
    max_tokens: int = Field(256, ge=4, le=32_000)
    """The longest operation, in tokens; one that is cut off there is rejected."""

    def update(self, facts: list[str], context: Context) -> Generator[Any, Any, list[Op]]:
        """One decision for each fact, carried out before the next."""
        return decide_each(
            "manage", facts, context, self.related, self.max_tokens,
            manage_messages, parse_operation,
        )  # fmt: skip
