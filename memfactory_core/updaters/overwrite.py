"""MemAgent's update (arXiv 2507.02259): the policy sees question, memory and section in a fresh context
and writes the memory anew. Departure: 1. the wording is ours, short enough for a very small model."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from pydantic import Field

from memfactory_core.dialects.quoted import join_memory
from memfactory_core.episode import Context
from memfactory_core.types import Message, Op
from memfactory_core.updaters import Updater

SYSTEM = (
    "You read a long text section by section to answer a question at the end. You see the question, your "
    "memory so far and the next section. Write the new memory: keep what helps to answer, add what the "
    "section tells about it, leave out the rest. Your output replaces the old memory whole; it may have "
    "at most {budget} characters. Write the memory alone, no comment."
)


def remember_messages(
    kept: Sequence[str], section: str, question: str, budget: int
) -> list[Message]:
    """The conversation of one update turn."""
    content = f"Memory: {join_memory(kept)}\nText: {section}\nQuestion: {question}\nRemember:"
    system = SYSTEM.format(budget=budget)
    return [{"role": "system", "content": system}, {"role": "user", "content": content}]


class Overwrite(Updater, kind="overwrite"):
    """The policy rewrites the whole memory after each section (MemAgent)."""

    max_tokens: int = Field(1024, ge=4, le=32_000)
    """The longest memory the policy may write, in tokens; a write that is cut off there is rejected."""
    sees_question: bool = True
    """Whether the policy knows the question while it reads, as in the paper."""

    def update(self, facts: list[str], context: Context) -> Generator[Any, Any, list[Op]]:
        """One turn and one overwrite for each section."""
        for section in facts:
            kept = context.bank.all()
            texts = [memory.text for memory in kept]
            question = context.question if self.sees_question else "What is worth knowing?"
            text = yield from context.ask(
                "update",
                remember_messages(texts, section, question, context.bank.budget),
                self.max_tokens,
                budget=context.bank.budget,
                memory=" ".join(texts),
                section=section,
                question=question,
            )
            written, wrong = context.dialect_of("update").read_memory(
                text, "\n".join([*texts, section, question])
            )
            wrong = "cut off at the length limit" if context.cut_off else wrong
            memory_id = kept[0].id if kept else None
            if wrong:
                op = Op(action="reject", memory_id=memory_id, text=text, reason=wrong)
            else:
                op = Op(action="update" if kept else "add", memory_id=memory_id, text=written)
            context.apply([op])
        return []
