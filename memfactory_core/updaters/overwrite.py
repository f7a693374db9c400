"""MemAgent's update (arXiv 2507.02259): the policy sees question, memory and section in a fresh context
and writes the memory anew. Departures: 1. the wording is ours, short enough for a very small model; 2. by setting it
chooses whole sentences instead of wording the memory."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Literal

from pydantic import Field

from memfactory_core.dialects.copied import Copied
from memfactory_core.dialects.quoted import join_memory
from memfactory_core.episode import Context
from memfactory_core.tasks.sentences import split_sentences
from memfactory_core.types import Message, Op
from memfactory_core.updaters import Updater

SYSTEM = (
    "You read a long text section by section to answer a question at the end. You see the question, your "
    "memory so far and the next section. Write the new memory: keep what helps to answer, add what the "
    "section tells about it, leave out the rest. Your output replaces the old memory whole; it may have "
    "at most {budget} characters. Write the memory alone, no comment."
)


OPEN_QUESTION = "What is worth knowing?"
"""What is asked where the policy reads without knowing the question."""
NOT_COPIED = "not made of sentences that were shown"
"""Why a write is rejected where it should have been copied."""


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
    """The longest memory the policy may write, in tokens; the paper's is 1,024."""
    too_long: Literal["reject", "cut"] = "reject"
    """What becomes of a memory that is longer than its tokens or the store's characters allow: it is rejected and the
    old one stays, or it is cut there, as in the paper."""
    writes: Literal["free", "copied"] = "free"
    """Whether the policy words the memory itself, as in the paper, or can only copy: whole sentences of the section and
    of the old memory, each once, in any order, as many as fit. It then decides what is kept and alters nothing, so that
    a memory lasts over many sections. For models that are loaded here (tiny, hf)."""
    sees_question: bool = True
    """Whether the policy knows the question while it reads, as in the paper."""

    @property
    def asks(self) -> dict[str, str]:
        """The role in which it asks the policy, with its wording."""
        return {"update": "update"}

    @property
    def copies(self) -> frozenset[str]:
        """Its role, where it copies."""
        return frozenset({"update"} if self.writes == "copied" else ())

    @property
    def for_a_question(self) -> bool:
        """Where the policy sees it."""
        return self.sees_question

    def update(self, facts: list[str], context: Context) -> Generator[Any, Any, list[Op]]:
        """One turn and one overwrite for each section."""
        for section in facts:
            kept = context.bank.all()
            texts = [memory.text for memory in kept]
            question = context.question if self.sees_question else OPEN_QUESTION
            asked = context.prompt(
                "update",
                remember_messages(texts, section, question, context.bank.budget),
                memory=join_memory(texts), text=section, question=question,
                budget=context.bank.budget, tokens=self.max_tokens,
            )  # fmt: skip
            copied = self._copied(texts, section, context.bank.budget)
            text = yield from context.ask(
                "update",
                asked,
                self.max_tokens,
                copied,
                budget=context.bank.budget,
                memory=" ".join(texts),
                section=section,
                question=question,
            )
            if copied:
                written, wrong = text, "" if copied.allows(text) else NOT_COPIED
            else:
                written, wrong = context.dialect_of("update").read_memory(
                    text, "\n".join([*texts, section, question])
                )
            if self.too_long == "cut" and not copied:
                written = written[: context.bank.budget]
            elif context.cut_off:
                wrong = "cut off at the length limit"
            memory_id = kept[0].id if kept else None
            if wrong:
                op = Op(action="reject", memory_id=memory_id, text=text, reason=wrong)
            else:
                op = Op(action="update" if kept else "add", memory_id=memory_id, text=written)
            context.apply([op])
        return []

    def _copied(self, texts: Sequence[str], section: str, budget: int) -> Copied | None:
        """What a write may be made of; None where the policy words it itself. Memories behind the first stay."""
        if self.writes == "free":
            return None
        sentences = [s for text in (*texts, section) for s in split_sentences(text)]
        room = budget - sum(map(len, texts[1:]))
        return Copied(sentences=tuple(dict.fromkeys(sentences)), budget=room)
