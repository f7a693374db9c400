"""What an episode's memory held of the needed facts, for the parts that ask."""

from __future__ import annotations

from collections.abc import Sequence

from memfactory_core.trace import Episode, Recalled, holds, snapshots
from memfactory_core.types import Evidence, Question

_last: tuple[Episode, list[str]] | None = None


def texts_of(episode: Episode) -> list[str]:
    """The whole memory as one text after each observation. Several parts ask this of one episode before the
    next one comes, so the last result is kept; episodes are frozen."""
    global _last
    kept = _last
    if kept is None or kept[0] is not episode:
        _last = kept = (episode, snapshots(episode))
    return kept[1]


def final_text(episode: Episode) -> str:
    """The memory that the questions are answered from."""
    texts = texts_of(episode)
    return texts[-1] if texts else ""


def share_held(text: str, evidence: Sequence[Evidence]) -> float:
    """The share of the evidence that a text states."""
    return sum(holds(text, item) for item in evidence) / len(evidence)


def read_texts(episode: Episode) -> list[tuple[Question, list[str]]]:
    """The memories that each question was answered from, of its last recall before the end; only questions that
    were recalled for and whose needed facts are known."""
    read = {
        event.query: [hit.memory.text for hit in event.hits]
        for event in episode.events
        if isinstance(event, Recalled) and event.at is None
    }
    return [
        (question, read[question.question])
        for question in episode.example.questions
        if question.evidence and question.question in read
    ]
