"""What an episode's memory held of the needed facts, for the parts that ask: trace.follow_facts, followed once."""

from __future__ import annotations

from memfactory_core.trace import Episode, Holding, Recalled, follow_facts
from memfactory_core.types import Evidence, Question

_last: tuple[Episode, dict[Evidence, Holding]] | None = None


def holdings_of(episode: Episode) -> dict[Evidence, Holding]:
    """What memory held of each needed fact. Several parts ask this of one episode before the next one comes, so
    the last result is kept; episodes are frozen."""
    global _last
    kept = _last
    if kept is None or kept[0] is not episode:
        _last = kept = (episode, follow_facts(episode.example, episode.events))
    return kept[1]


def last_recalls(episode: Episode) -> list[tuple[Question, Recalled]]:
    """What each question was answered from, its last recall before the end; only questions that were recalled for
    and whose needed facts are known."""
    read = {e.query: e for e in episode.events if isinstance(e, Recalled) and e.at is None}
    return [
        (question, read[question.question])
        for question in episode.example.questions
        if question.evidence and question.question in read
    ]


def decided_looks(episode: Episode) -> list[tuple[bool, bool]]:
    """For each question for which the policy decided whether to look: whether it did, and whether memory then held a
    fact that the question needs. [] where the task does not say which facts are needed."""
    if not episode.example.needed:
        return []
    decided = {
        event.query: event
        for event in episode.events
        if isinstance(event, Recalled) and event.at is None and event.searched is not None
    }
    held = holdings_of(episode)
    return [
        (
            bool(event.searched),
            any(held[item].held_before(event.seq) for item in question.evidence),
        )
        for question in episode.example.questions
        if (event := decided.get(question.question))
    ]
