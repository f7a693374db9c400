"""Why an answer was wrong: the cause is computed from the trace, with the event that caused it.

For each question that was answered wrongly, each needed fact is followed through the episode. The rules, in
the order in which they are asked:

1.  A part raised: `failed`, at that event.
2.  The task does not say what was needed, or the fact's wording stands nowhere in what was read:
    `cannot_tell`.
3.  The fact was never in memory. A write that held it was refused: `malformed`. An extractor was asked and
    left it out: `never_extracted`. Otherwise the updater saw it and did not write it: `not_written`.
4.  The fact was in memory and is gone at the end: the last event that took it away decides: `deleted`,
    `merged_away` (an update that merged), `overwritten` (any other update).
5.  Its words are all in one memory, but not as they were told, and the answer is wrong: `cannot_tell` (the
    rewording may or may not have kept the sense). This is asked before 3 and 4.
6.  It was in memory but not among what the answer was read from: `not_retrieved`. A choice of the
    policy's own that was refused: `malformed`.
7.  It was read. The answer was cut off: `malformed`. It says something of the fact that the question does
    not: `reader_error`. It says nothing of it: `not_used`. It says only what another needed fact says too:
    `cannot_tell`.

Where several facts are needed, each has its own finding; the episode's cause is that of the earliest event.
"""

from __future__ import annotations

from collections.abc import Sequence

from memfactory_core.rewards.answers import extract_answer, is_right
from memfactory_core.text import STOP_WORDS, words
from memfactory_core.trace import Asked, Episode, Failed, Recalled, Wrote, holds, replay
from memfactory_core.types import Evidence, Question, Record

CAUSES = {
    "failed": "a part raised an error",
    "never_extracted": "the extractor left the fact out",
    "not_written": "the updater saw the fact and did not write it",
    "malformed": "an output could not be carried out",
    "overwritten": "an update replaced the fact",
    "merged_away": "the fact was lost when memories were merged",
    "deleted": "the memory was deleted",
    "not_retrieved": "it was in memory but not read",
    "not_used": "it was read, the answer says nothing of it",
    "reader_error": "it was read and misread",
    "cannot_tell": "the trace does not tell",
}


class Finding(Record):
    """What became of one needed fact of a question that was answered wrongly."""

    question: int
    evidence: Evidence | None
    cause: str
    seq: int | None = None
    """The event that decided it; None where no event did."""


def explain(episode: Episode) -> list[Finding]:
    """One finding for each needed fact of each wrongly answered question; see the module's rules."""
    answers = [episode.answer, *episode.other_answers]
    findings = []
    for index, question in enumerate(episode.example.questions):
        answer = answers[index] if index < len(answers) else ""
        if is_right(answer, question):
            continue
        items: Sequence[Evidence | None] = question.evidence or (None,)
        for item in items:
            cause, seq = _cause(episode, index, question, item, answer)
            findings.append(Finding(question=index, evidence=item, cause=cause, seq=seq))
    return findings


def primary(findings: Sequence[Finding]) -> Finding | None:
    """The finding whose event came first; those without an event come last. None where there is none."""
    return min(findings, key=lambda f: float("inf") if f.seq is None else f.seq, default=None)


def _cause(
    episode: Episode, index: int, question: Question, item: Evidence | None, answer: str
) -> tuple[str, int | None]:
    broken = next((event for event in episode.events if isinstance(event, Failed)), None)
    if broken:
        return "failed", broken.seq
    if item is None or not _was_told(episode, item):
        return "cannot_tell", None
    final = replay(episode.events)
    if not any(holds(memory.text, item) for memory in final.values()):
        if any(set(words(item.text)) <= set(words(memory.text)) for memory in final.values()):
            return "cannot_tell", None
        return _lost(episode, item) or _never_stored(episode, item)
    return _unread(episode, question, item) or _misread(episode, index, question, item, answer)


def _was_told(episode: Episode, item: Evidence) -> bool:
    told = episode.example.observations
    if item.observation is not None:
        told = told[item.observation : item.observation + 1]
    return any(holds(text, item) for text in told)


def _lost(episode: Episode, item: Evidence) -> tuple[str, int] | None:
    """The last event that took the fact out of memory, or None where it never was in it."""
    for event in reversed(episode.events):
        if not isinstance(event, Wrote) or event.action not in ("update", "delete"):
            continue
        if holds(event.before or "", item) and not holds(event.after or "", item):
            if event.action == "delete":
                return "deleted", event.seq
            return ("merged_away" if event.reason == "merged" else "overwritten"), event.seq
    return None


def _never_stored(episode: Episode, item: Evidence) -> tuple[str, int | None]:
    here = [e for e in episode.events if item.observation is None or e.at == item.observation]
    for event in here:
        if isinstance(event, Wrote) and event.action == "reject" and holds(event.after or "", item):
            return "malformed", event.seq
    asked = [event for event in here if isinstance(event, Asked) and event.role == "extract"]
    if asked and not any(holds(_said(episode, event), item) for event in asked):
        return "never_extracted", asked[0].seq
    writes = [event for event in here if isinstance(event, Wrote)]
    refused = [event for event in writes if event.action == "reject"]
    if writes and len(refused) == len(writes):
        return "malformed", refused[0].seq
    return "not_written", writes[0].seq if writes else None


def _unread(episode: Episode, question: Question, item: Evidence) -> tuple[str, int] | None:
    """Where the last recall for this question did not bring the fact."""
    recalls = [
        event
        for event in episode.events
        if isinstance(event, Recalled) and event.at is None and event.query == question.question
    ]
    if not recalls or any(holds(hit.memory.text, item) for hit in recalls[-1].hits):
        return None
    refused = [
        event.seq
        for event in episode.events
        if isinstance(event, Wrote) and event.action == "reject" and event.at is None
        and event.seq < recalls[-1].seq and event.seq > recalls[0].seq
    ]  # fmt: skip
    return ("malformed", refused[-1]) if refused else ("not_retrieved", recalls[-1].seq)


def _misread(
    episode: Episode, index: int, question: Question, item: Evidence, answer: str
) -> tuple[str, int | None]:
    asked = [e for e in episode.events if isinstance(e, Asked) and e.role == "answer"]
    if index >= len(asked):
        return "cannot_tell", None
    turn = episode.turns[asked[index].index]
    if turn.completion.finish_reason == "length":
        return "malformed", asked[index].seq
    telling = set(words(item.text)) - set(words(question.question)) - STOP_WORDS
    used = telling & set(words(extract_answer(answer)))
    others = {word for other in question.evidence if other != item for word in words(other.text)}
    if used and used <= others:
        return "cannot_tell", asked[index].seq
    return ("reader_error" if used else "not_used"), asked[index].seq


def _said(episode: Episode, event: Asked) -> str:
    return episode.turns[event.index].completion.text
