"""How a pasted text and a question become an example."""

from __future__ import annotations

from memfactory_core.errors import ConfigError
from memfactory_core.tasks.language import parse_fact
from memfactory_core.tasks.sentences import split_sentences
from memfactory_core.text import normalize_answer
from memfactory_core.types import Evidence, Example

MOST_CHARACTERS = 200_000
MOST_SECTIONS = 400


def split_sections(text: str, sentences: int) -> list[str]:
    """A text in sections of so many sentences. ConfigError where it is empty or too long."""
    if not text.strip():
        raise ConfigError("there is no text to read: paste one, or take an example")
    if len(text) > MOST_CHARACTERS:
        raise ConfigError(
            f"the text has {len(text):,} characters; {MOST_CHARACTERS:,} are read at most"
        )
    parts = split_sentences(text) or [text.strip()]
    found = [" ".join(parts[i : i + sentences]) for i in range(0, len(parts), sentences)]
    if len(found) > MOST_SECTIONS:
        raise ConfigError(
            f"that makes {len(found):,} sections; {MOST_SECTIONS} are read at most: "
            "put more sentences into a section"
        )
    return found


def example_from_text(text: str, question: str, sentences: int) -> Example:
    """What a user typed as an example. A sentence that states the fact asked for is its
    evidence."""
    if not question.strip():
        raise ConfigError("there is no question: the agent decides by it what to remember")
    if len(question) > 2000:
        raise ConfigError("the question is longer than 2,000 characters: shorten it")
    wanted = normalize_answer(question)
    needed = [
        sentence
        for sentence in split_sentences(text)
        if (fact := parse_fact(sentence)) and normalize_answer(fact.question) == wanted
    ]
    return Example(
        id="chat", observations=tuple(split_sections(text, sentences)), question=question.strip(),
        answers=(), evidence=tuple(Evidence(text=sentence) for sentence in needed[:1]),
    )  # fmt: skip
