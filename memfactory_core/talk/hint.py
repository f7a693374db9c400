"""What an agent with a small language can understand: a message in other words gets a hint, for it would be answered
with made-up syllables."""

from __future__ import annotations

from memfactory_core.config import RunConfig
from memfactory_core.tasks import Task
from memfactory_core.tasks.needle import Needle
from memfactory_core.tasks.sentences import split_sentences

MOST_UNKNOWN = 0.5
"""The share of a document's sentences that may be in other words; they are left to the agent as they are."""
LONGEST_QUOTE = 80


def language_of(config: RunConfig) -> Task | None:
    """The task whose sentences are all that the agent knows; None where it knows ordinary language."""
    if not config.policy.small_language:
        return None
    return config.held_out if config.held_out.sayings else Needle()


def describe(config: RunConfig) -> str:
    """What one should know before one talks with the agent: what it understands, and when it reads."""
    told = []
    task = language_of(config)
    if task is not None:
        told.append(
            f"It understands sentences of these kinds alone, with any names: {' · '.join(task.sayings)}"
        )
    if config.paradigm.updater.for_a_question:
        told.append(
            "It remembers for a question: end a message with it. A message without one is read for the question that "
            "was asked last."
        )
    if config.paradigm.extractor.whole_sessions:
        told.append("It reads a session's messages together: when you ask, or end the session.")
    return " ".join(told)


def hear(text: str, config: RunConfig) -> tuple[str, str]:
    """A text as the agent knows it (missing full stops added), and a hint where a sentence is of no kind that it
    knows ("" where all are)."""
    task = language_of(config)
    if task is None or not text:
        return text, ""
    heard = []
    for sentence in split_sentences(text):
        known = task.hear(sentence)
        if known is None:
            return text, _hint(sentence, task)
        heard.append(known)
    return " ".join(heard), ""


def hear_document(text: str, config: RunConfig) -> str:
    """A hint where most sentences of a document are of no kind that the agent knows; else ""."""
    task = language_of(config)
    if task is None:
        return ""
    sentences = split_sentences(text)
    unknown = [sentence for sentence in sentences if task.hear(sentence) is None]
    return _hint(unknown[0], task) if len(unknown) > MOST_UNKNOWN * len(sentences) else ""


def _hint(sentence: str, task: Task) -> str:
    said = sentence if len(sentence) <= LONGEST_QUOTE else f"{sentence[:LONGEST_QUOTE]}…"
    kinds = " · ".join(task.sayings)
    return f"This agent does not understand “{said}”. It knows sentences of these kinds, with any names: {kinds}"
