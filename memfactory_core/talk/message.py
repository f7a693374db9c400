"""What is in a message: sentences to be read, in sections, and a question to be answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from memfactory_core.config import RunConfig
from memfactory_core.errors import ConfigError
from memfactory_core.tasks.sections import cut
from memfactory_core.tasks.sentences import split_sentences

How = Literal["auto", "remember", "ask"]
MOST_CHARACTERS = 200_000
MOST_SECTIONS = 400
LONGEST_QUESTION = 2000
SECTION = 2000
"""Characters of a section where the task does not say how many sentences are read at once."""
QUESTION_MARKS = ("?", "\uff1f", "\u061f", "\u2048")


@dataclass(frozen=True)
class Words:
    """A message taken apart: the sections to be read in order, then the question, "" where there is none."""

    sections: tuple[str, ...]
    question: str


def take_apart(text: str, how: How, config: RunConfig) -> Words:
    """What ends with a question mark is asked, what stands before it is told; `how` says that all of it is to be
    remembered, or asked. ConfigError where there is nothing in it or too much."""
    text = text.strip()
    if not text:
        raise ConfigError("the message is empty: tell something, or ask a question")
    if len(text) > MOST_CHARACTERS:
        raise ConfigError(
            f"the message has {len(text):,} characters; {MOST_CHARACTERS:,} are read at most"
        )
    told, question = ("", text) if how == "ask" else (text, "")
    if how == "auto" and text.rstrip("\"'”’»)").endswith(QUESTION_MARKS):
        question = split_sentences(text)[-1]
        told = text[: text.rindex(question)].strip()
    if len(question) > LONGEST_QUESTION:
        raise ConfigError(
            f"the question is longer than {LONGEST_QUESTION:,} characters: shorten it"
        )
    sections = split_sections(told, config) if told else []
    if len(sections) > MOST_SECTIONS:
        raise ConfigError(
            f"that makes {len(sections):,} sections; {MOST_SECTIONS} are read at most: "
            "send it as a document, or in parts"
        )
    return Words(tuple(sections), question)


def split_sections(text: str, config: RunConfig) -> list[str]:
    """A text in the sections that an agent reads one by one: as many sentences as in its task, or, where the task
    does not say it, pieces of SECTION characters."""
    at_once = config.held_out.sentences_at_once
    if at_once is None:
        return cut(text, SECTION)
    parts = split_sentences(text)
    return [" ".join(parts[i : i + at_once]) for i in range(0, len(parts), at_once)]
