"""RMM's prospective reflection (arXiv 2503.08026), its first half: at the end of a session the policy writes the
session's topics, for each a summary followed by what was said. Departure: 1. lines instead of JSON."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, ClassVar

from pydantic import Field

from memfactory_core.episode import Context
from memfactory_core.extractors import Extractor
from memfactory_core.extractors.facts import extract_messages

SYSTEM = (
    "The text is one session of a conversation. For each topic that tells something personal about a "
    "speaker write one line: who and what in one sentence, then ' | ' and the words that were said. Write "
    "NONE where there is no such topic."
)


class Topics(Extractor, kind="topics"):
    """The policy sums up each session by topic, with the words that were said (RMM)."""

    whole_sessions: ClassVar[bool] = True
    max_tokens: int = Field(1024, ge=4, le=32_000)
    """The longest list of topics, in tokens; an unfinished last line is dropped."""

    @property
    def asks(self) -> dict[str, str]:
        """The role in which it asks the policy, with its wording."""
        return {"extract": "topics"}

    def extract(self, observation: str, context: Context) -> Generator[Any, Any, list[str]]:
        """One topic for each line that the policy writes."""
        fixed = extract_messages(observation, SYSTEM)
        asked = context.prompt("extract", fixed, "topics", text=observation)
        text = yield from context.ask(
            "extract", asked, self.max_tokens, observation=observation, topics=True
        )
        return context.dialect_of("extract").read_facts(text, observation, context.cut_off)
