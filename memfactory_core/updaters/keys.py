"""The policy writes the key under which a memory is found: a decision of its own, after the one that stores it. The
store searches the key, what is read is the memory's text."""

from __future__ import annotations

from abc import ABC
from collections.abc import Generator, Sequence
from typing import Any

from pydantic import Field

from memfactory_core.episode import Context
from memfactory_core.types import Message, Op
from memfactory_core.updaters import Updater

SYSTEM = "A memory is found again by its key. Write the words that one will search for when it is needed, on one line."
KEY_TOKENS = 64


def key_messages(text: str) -> list[Message]:
    """The conversation in which a key is written."""
    content = f"Memory: {text}\nKey:"
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}]


class KeyedUpdater(Updater, ABC):
    """An updater whose memories may get a key of the policy's own."""

    keys: bool = False
    """Whether the policy writes for each memory the words under which it is found; without, a memory is found by its
    own text."""
    key_tokens: int = Field(KEY_TOKENS, ge=4, le=1000)
    """The longest key, in tokens; one that is cut off there is rejected and the memory is found by its text."""

    def write_keys(self, ops: Sequence[Op], context: Context) -> Generator[Any, Any, list[Op]]:
        """The operations, those that store a text with its key. What is no key is rejected behind them."""
        if not self.keys:
            return list(ops)
        keyed: list[Op] = []
        refused: list[Op] = []
        for op in ops:
            if op.action not in ("add", "update") or not op.text:
                keyed.append(op)
                continue
            asked = context.prompt("index", key_messages(op.text), text=op.text)
            said = yield from context.ask("index", asked, self.key_tokens, text=op.text)
            key, wrong = context.dialect_of("index").read_key(said, op.text)
            wrong = "cut off at the length limit" if context.cut_off else wrong
            if wrong:
                refused.append(Op(action="reject", text=said, reason=f"no key: {wrong}"))
            keyed.append(op if wrong else op.model_copy(update={"key": key}))
        return [*keyed, *refused]

    def roles(self, *own: str) -> dict[str, str]:
        """The roles `own`, and that of the keys where the policy writes them, with their wordings."""
        return {role: role for role in ((*own, "index") if self.keys else own)}
