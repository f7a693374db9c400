"""RMM's prospective reflection (arXiv 2503.08026), its second half: each new topic is compared with the most
similar memories and is either added or merged into one of them."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, ClassVar

from pydantic import Field

from memfactory_core.component import Part
from memfactory_core.dialects.quoted import list_memories
from memfactory_core.episode import Context
from memfactory_core.retrievers import Retriever
from memfactory_core.retrievers.bm25 import BM25
from memfactory_core.types import Memory, Message, Op
from memfactory_core.updaters.crud import decide_each
from memfactory_core.updaters.keys import KeyedUpdater

SYSTEM = (
    "You keep memories by topic. You see the memories that are most similar to a new one, each followed by "
    "its id, and the new one. Write one line and nothing else:\n"
    "ADD <text> - it is a topic of its own;\n"
    "MERGE <old memory> #<id> to <text> - it belongs to that memory; the text holds both."
)


def merge_messages(related: list[Memory], fact: str) -> list[Message]:
    """The conversation of one decision."""
    content = f"Memory: {list_memories(related)}\nFact: {fact}\nMerge:"
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}]


class Merge(KeyedUpdater, kind="merge"):
    """The policy adds each topic or merges it into a similar memory (RMM)."""

    main: ClassVar[tuple[str, ...]] = ("max_tokens", "keys")
    related: Part[Retriever] = BM25(top_k=5)
    """Which memories the policy compares a topic with."""
    max_tokens: int = Field(512, ge=4, le=32_000)
    """The longest operation, in tokens; one that is cut off there is rejected."""

    @property
    def asks(self) -> dict[str, str]:
        """The decision's role, and that of keys."""
        return self.roles("merge")

    def update(self, facts: list[str], context: Context) -> Generator[Any, Any, list[Op]]:
        """One decision for each topic, carried out before the next."""
        return decide_each(
            "merge", facts, context, self.related, self.max_tokens, merge_messages, merging=True,
            updater=self,
        )  # fmt: skip
