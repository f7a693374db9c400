"""The exact strings that the tiny policy is asked with. Skill and decision differ in the last cue
only (`Answer:` and `Remember:`, `Quote:` and `Select:`), so that one matching circuit can serve
both."""

from __future__ import annotations

from collections.abc import Sequence

NO_MEMORY = "No memory."
UNKNOWN = "Unknown."
NOOP = "NOOP"
REMEMBER = "Memory: {memory}\nText: {section}\nQuestion: {question}\nRemember:"
ANSWER = "Memory: {memory}\nQuestion: {question}\nAnswer:"
MANAGE = "Memory: {memory}\nFact: {fact}\nUpdate:"
SELECT = "Memory: {memory}\nQuestion: {question}\nSelect:"
QUOTE = "Memory: {memory}\nQuestion: {question}\nQuote:"
READ_TEXT = "Memory: {memory}\nText: {section}\nQuestion: {question}\nAnswer:"


def join_memory(sentences: Sequence[str]) -> str:
    """Memories as one line of a prompt; an empty memory is written out."""
    return " ".join(sentences) or NO_MEMORY


def quote(sentence: str, number: int) -> str:
    """A memory with its id behind it: pointing at it then is copying."""
    return f"{sentence} #{number}"


def add(sentence: str) -> str:
    """The operation that stores a sentence."""
    return f"ADD {sentence}"


def update(old: str, number: int, new: str) -> str:
    """The operation that replaces the memory `number`, which reads `old`, by `new`."""
    return f"UPDATE {quote(old, number)} to {new}"


def delete(old: str, number: int) -> str:
    """The operation that removes the memory `number`, which reads `old`."""
    return f"DELETE {quote(old, number)}"
