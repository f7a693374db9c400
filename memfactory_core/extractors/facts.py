"""The policy lists the facts of an observation, one a line (Memory-R1, arXiv 2508.19828; Mem0's wording is not
used)."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from pydantic import Field

from memfactory_core.episode import Context
from memfactory_core.extractors import Extractor
from memfactory_core.types import Message

SYSTEM = (
    "List the facts about people, plans, places and preferences in the text that are worth remembering, "
    "one short full sentence per line, names instead of pronouns. Write NONE where there are none."
)


def extract_messages(observation: str, system: str = SYSTEM) -> list[Message]:
    """The conversation of one extraction."""
    content = f"Text: {observation}\nFacts:"
    return [{"role": "system", "content": system}, {"role": "user", "content": content}]


class Facts(Extractor, kind="facts"):
    """The policy lists the facts that are worth remembering (Memory-R1)."""

    max_tokens: int = Field(1024, ge=4, le=32_000)
    """The longest list, in tokens; an unfinished last line is dropped."""

    @property
    def asks(self) -> dict[str, str]:
        """The role in which it asks the policy, with its wording."""
        return {"extract": "extract"}

    def extract(self, observation: str, context: Context) -> Generator[Any, Any, list[str]]:
        """One fact for each line that the policy writes."""
        asked = context.prompt("extract", extract_messages(observation), text=observation)
        text = yield from context.ask("extract", asked, self.max_tokens, observation=observation)
        return context.dialect_of("extract").read_facts(text, observation, context.cut_off)
