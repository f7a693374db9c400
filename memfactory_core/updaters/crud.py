"""Memory-R1's manager (arXiv 2508.19828): for each fact the policy sees the related memories with their ids
and writes ADD, UPDATE, DELETE or NOOP, which is carried out at once. UPDATE keeps the id.

Departures: 1. one fact a turn; 2. the tiny policy quotes the memory that it changes (see dialects/quoted.py), chat
models are asked for JSON as in the paper.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, ClassVar

from pydantic import Field

from memfactory_core.component import Part
from memfactory_core.dialects.quoted import list_memories
from memfactory_core.episode import Context
from memfactory_core.retrievers import Retriever
from memfactory_core.retrievers.bm25 import BM25
from memfactory_core.types import Memory, Message, Op
from memfactory_core.updaters.keys import KeyedUpdater

SYSTEM = (
    "You keep a bank of memories. You see the memories that are related to a new fact, each followed by "
    "its id, and the fact. Write one operation and nothing else:\n"
    "ADD <text> - the fact is new and worth keeping;\n"
    "UPDATE <old memory> #<id> to <text> - the fact changes or completes that memory; merge both;\n"
    "DELETE <old memory> #<id> - the fact takes that memory back;\n"
    "NOOP - there is nothing to keep or it is known already."
)


def manage_messages(related: Sequence[Memory], fact: str) -> list[Message]:
    """The conversation of one decision."""
    content = f"Memory: {list_memories(related)}\nFact: {fact}\nUpdate:"
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}]


def decide_each(
    role: str,
    facts: list[str],
    context: Context,
    retriever: Retriever,
    max_tokens: int,
    messages: Callable[[list[Memory], str], list[Message]],
    merging: bool = False,
    updater: KeyedUpdater | None = None,
) -> Generator[Any, Any, list[Op]]:
    """One decision of the policy for each fact beside its related memories, carried out before the next; one
    that is cut off at `max_tokens` is rejected."""
    for fact in facts:
        hits = yield from context.recall(retriever, fact)
        related = [hit.memory for hit in hits]
        asked = context.prompt(role, messages(related, fact), memories=related, fact=fact)
        text = yield from context.ask(role, asked, max_tokens, fact=fact, related=related)
        ops = context.dialect_of(role).read_operations(text, related, fact, merging)
        if context.cut_off:
            ops = [Op(action="reject", text=text, reason="cut off at the length limit")]
        if updater:
            ops = yield from updater.write_keys(ops, context)
        context.apply(ops)
    return []


class Crud(KeyedUpdater, kind="crud"):
    """The policy decides for each fact: ADD, UPDATE, DELETE or NOOP (Memory-R1)."""

    main: ClassVar[tuple[str, ...]] = ("max_tokens", "keys")
    related: Part[Retriever] = BM25(top_k=3)
    """Which memories the policy sees beside the fact."""
    max_tokens: int = Field(256, ge=4, le=32_000)
    """The longest operation, in tokens; one that is cut off there is rejected."""

    @property
    def asks(self) -> dict[str, str]:
        """The decision's role, and that of keys."""
        return self.roles("manage")

    def update(self, facts: list[str], context: Context) -> Generator[Any, Any, list[Op]]:
        """One decision for each fact, carried out before the next."""
        return decide_each(
            "manage", facts, context, self.related, self.max_tokens, manage_messages, updater=self
        )
