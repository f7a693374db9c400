"""Why an answer was wrong: the cause is computed from the trace, with the event that caused it.

For each question that was answered wrongly, where it is known what would have been right, each needed fact is followed
through the episode (trace.follow_facts).
The rules, in the order in which they are asked; the first that holds decides:

1.  A part raised: `failed`, at that event.
2.  The question needs no fact because it was taken back. The old value is still in memory and was answered, or memory
    keeps the retraction as if it were a fact and that was answered: `stale`, at the decision about the retraction.
    The memory is right and the answer names another fact's value: `reader_error`. The answer stands in a memory that
    nobody stated: `invented`. Otherwise, or where the fact's wording stands nowhere in what was read: `cannot_tell`.
3.  All its words are in one memory at the end, but not as they were told: `cannot_tell` (the rewording may or may not
    have kept the sense).
4.  It was in memory and is gone at the end. The event that took it away last decides. It kept the subject with a value
    that nobody told: `altered`. It wrote what nobody stated in its place: `invented`. Otherwise `deleted`,
    `merged_away` (an update that merged) or `overwritten` (any other update).
5.  It was never in memory. A write that held it was refused: `no_room` where the bank was full or the budget is
    smaller than the fact, else `malformed`. A write kept its subject with a value that nobody told: `altered`. An
    extractor was asked and left it out: `never_extracted`. An older value is in memory and was answered: `stale`. The
    answer stands in a memory that nobody stated, or such a one was written instead: `invented`. All writes were
    refused: as above. Otherwise the updater saw it and did not write it: `not_written`.
6.  It is in memory. An older value is there too and was answered: `stale`, at the write that left both. The answer
    stands in a memory that nobody stated: `invented`, at the write that brought it.
7.  It is in memory but not among what the answer was read from: `not_retrieved`. A query or a choice of the policy's
    own that was refused: `malformed`. The policy had its say and did not look: `not_looked`.
8.  It was read. The answer was cut off: `malformed`. It says something of the fact that the question does not:
    `reader_error`. It says nothing of it: `not_used`. It says only what another needed fact says too: `cannot_tell`.

What says otherwise, what takes back and what nobody stated is judged in statements.py: exactly in the small language,
by words elsewhere. Where several facts are needed, each has its own finding; the episode's cause is that of the
earliest event.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from memfactory_core.explain.refusals import is_for_room
from memfactory_core.explain.statements import (
    fact_of,
    is_stated,
    rivals,
    says_otherwise,
    sentences,
    takes_back,
    telling,
)
from memfactory_core.explain.trail import Trail
from memfactory_core.rewards.answers import is_right
from memfactory_core.tasks.spoken import read_question, read_retraction
from memfactory_core.text import STOP_WORDS, words
from memfactory_core.trace import Episode, Failed, Holding, Stay, Wrote, holds, told_in
from memfactory_core.types import Evidence, Question, Record

CAUSES = {
    "failed": "a part raised an error",
    "never_extracted": "the extractor left the fact out",
    "not_written": "the updater saw the fact and did not write it",
    "no_room": "the memory had no room for the fact",
    "malformed": "an output could not be carried out",
    "altered": "the subject was kept with a value that nobody told",
    "invented": "a memory that nobody stated was used or took the fact's place",
    "stale": "a change or retraction was not carried out",
    "overwritten": "an update replaced the fact",
    "merged_away": "the fact was lost when memories were merged",
    "deleted": "the memory was deleted",
    "not_looked": "it was in memory, the policy did not look",
    "not_retrieved": "it was in memory but not read",
    "not_used": "it was read, the answer says nothing of it",
    "reader_error": "it was read and misread",
    "cannot_tell": "the trace does not tell",
}


class Finding(Record):
    """What became of one needed fact of a question that was answered wrongly."""

    question: int
    """The question's number among the example's, from 0."""
    evidence: Evidence | None
    cause: str
    seq: int | None = None
    """The event that decided it; None where no event did."""


class Wrong(NamedTuple):
    """A question that was answered wrongly, in telling words: `said` are those of the answer and `value` those of
    the right ones, both without the question's own."""

    number: int
    question: Question
    said: frozenset[str]
    value: frozenset[str]

    def answers_with(self, sentence: str, fact: str = "") -> bool:
        """Whether the answer says what a sentence says beyond the question (and beyond a fact that it rivals)."""
        told = telling(sentence)
        own = told - telling(self.question.question) - telling(fact)
        # an answer to several things at once says more than the sentence, a short one may say less
        return bool(self.said) and (self.said <= told or (bool(own) and own <= self.said))


Verdict = tuple[str, int | None]
"""A cause and the event that decided it."""


def explain(episode: Episode) -> list[Finding]:
    """One finding for each needed fact of each wrongly answered question; see the module's rules."""
    trail = Trail(episode)
    failed = next((event.seq for event in episode.events if isinstance(event, Failed)), None)
    findings = []
    for index, question in enumerate(episode.example.questions):
        if not question.answers:  # nobody knows what would have been right
            continue
        raw = trail.answers[index] if index < len(trail.answers) else ""
        if is_right(raw, question):
            continue
        asked = telling(question.question)
        value = frozenset().union(*map(telling, question.answers)) - asked
        wrong = Wrong(index, question, telling(trail.answer(index)) - asked, value)
        items: Sequence[Evidence | None] = question.evidence or (None,)
        for item in items:
            cause, seq = ("failed", failed) if failed is not None else _judge(trail, wrong, item)
            findings.append(Finding(question=index, evidence=item, cause=cause, seq=seq))
    return findings


def primary(findings: Sequence[Finding]) -> Finding | None:
    """The finding whose event came first; those without an event come last. None where there is none."""
    return min(findings, key=lambda f: float("inf") if f.seq is None else f.seq, default=None)


def _judge(trail: Trail, wrong: Wrong, item: Evidence | None) -> Verdict:
    if item is None:
        return _not_needed(trail, wrong) or ("cannot_tell", None)
    holding = trail.holdings[item]
    if not _was_told(trail, item):
        return "cannot_tell", None
    if holding.kept:
        return (
            _stale(trail, wrong, item)
            or _invention_used(trail, wrong, item)
            or _unread(trail, wrong, holding)
            or _misread(trail, wrong, item)
        )
    # The same words in another order may say the same or the opposite; no rule below could know.
    if any(frozenset(words(item.text)) <= memory for memory in trail.final_words):
        return "cannot_tell", None
    lost = holding.last_loss()
    return _lost(trail, wrong, item, lost) if lost else _never_stored(trail, wrong, item)


def _was_told(trail: Trail, item: Evidence) -> bool:
    told = trail.observations
    if item.observation is not None:
        told = told[item.observation : item.observation + 1]
    return any(holds(text, item) for text in told)


def _not_needed(trail: Trail, wrong: Wrong) -> Verdict | None:
    """Nothing is needed: the right answer is that it is not known, for instance because it was taken back."""
    if not wrong.said:
        return None
    read = trail.memories_read(wrong.question.question)
    about = telling(wrong.question.question)
    for name, sentence in trail.final_sentences:
        # It must be what the question asks for and what was answered, or it did not lead to the answer.
        subject = telling(sentence) - wrong.said
        if name not in read or not wrong.answers_with(sentence) or not subject <= about:
            continue
        for at, back in _retractions(trail, sentence, wrong.said):
            return _not_carried_out(trail, at, back)
        if key := read_retraction(sentence):
            # "The boat of Vige is gone." as a memory: it was added or put in the fact's place, not carried out
            told = told_in(trail.observations, sentence)
            if key == read_question(wrong.question.question) and told is not None:
                return _not_carried_out(trail, told, sentence)
        seq = trail.inventor(name, sentence)
        if seq is not None:
            return "invented", seq
    return _misread_another(trail, wrong)


def _retractions(trail: Trail, kept: str, said: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Where a sentence that memory keeps was taken back after it had been told."""
    told = told_in(trail.observations, kept)
    if told is None:
        return
    for at in range(told, len(trail.observations)):
        for sentence in sentences(trail.observations[at]):
            if sentence != kept and takes_back(sentence, kept, said):
                yield at, sentence


def _misread_another(trail: Trail, wrong: Wrong) -> Verdict | None:
    """In the small language it is known that memory states nothing of the subject any more: then the answer was
    taken from another fact."""
    asked = trail.answered(wrong.number)
    facts = [fact_of(sentence) for _, sentence in trail.final_sentences]
    if asked is None or not all(facts) or not facts:
        return None
    asked_key = read_question(wrong.question.question)
    taken = (read_retraction(s) for text in trail.observations for s in sentences(text))
    back = any(key and key == asked_key for key in taken)
    if not back or any(fact.key == asked_key for fact in facts if fact):
        return None
    others = frozenset().union(*(telling(fact.value) for fact in facts if fact))
    return ("reader_error", asked.seq) if wrong.said & others else None


def _lost(trail: Trail, wrong: Wrong, item: Evidence, lost: Stay) -> Verdict:
    """The event that took the fact out of memory for the last time."""
    event = next(e for e in trail.episode.events if e.seq == lost.until and isinstance(e, Wrote))
    kept = _altered(trail, wrong, item, event)
    if kept is None and event.seq in trail.inventions and trail.inventions[event.seq].invented:
        kept = "invented"
    return kept or lost.how or "overwritten", event.seq


def _never_stored(trail: Trail, wrong: Wrong, item: Evidence) -> Verdict:
    told = trail.holdings[item].told
    writes = trail.writes_at(told)
    refused = [event for event in writes if event.action == "reject"]
    for event in refused:
        if holds(event.after or "", item):
            return _refusal(event, item.text)
    for event in writes:
        if kept := _altered(trail, wrong, item, event):
            return kept, event.seq
    if left_out := _left_out(trail, told, item.text):
        return left_out
    if found := _stale(trail, wrong, item) or _invention_used(trail, wrong, item):
        return found
    for event in writes:
        if event.seq in trail.inventions and trail.inventions[event.seq].invented:
            return "invented", event.seq
    if writes and len(refused) == len(writes):
        return _refusal(refused[0], item.text)
    return "not_written", writes[0].seq if writes else None


def _refusal(event: Wrote, fact: str) -> Verdict:
    return ("no_room" if is_for_room(event, fact) else "malformed"), event.seq


def _left_out(trail: Trail, at: int | None, sentence: str) -> Verdict | None:
    """An extractor was asked for what an observation tells and did not give this."""
    asked, item = [e for e in trail.extractions if e.at == at], Evidence(text=sentence)
    if asked and not any(holds(trail.said(event), item) for event in asked):
        return "never_extracted", asked[0].seq
    return None


def _altered(trail: Trail, wrong: Wrong, item: Evidence, event: Wrote) -> str | None:
    """A write that keeps what the fact is about with a value that nobody told. A value that was told is no slip
    in copying: it is an older or another one, and the write was a decision."""
    if event.action not in ("add", "update") or event.at is None:
        return None
    sources = [trail.observations[event.at], event.before or ""]
    known = frozenset().union(*map(telling, sources), telling(wrong.question.question))
    facts = [s for s in sentences(item.text) if telling(s) & wrong.value] or [item.text]
    for sentence in sentences(event.after or ""):
        if is_stated(sentence, sources):
            continue
        if any(says_otherwise(sentence, fact, wrong.value, known) for fact in facts):
            return "altered"
    return None


def _stale(trail: Trail, wrong: Wrong, item: Evidence) -> Verdict | None:
    """The fact changed an older one, which is still in memory and was answered."""
    told = trail.holdings[item].told
    if not wrong.said or not told:
        return None
    read = trail.memories_read(wrong.question.question)
    facts = [s for s in sentences(item.text) if telling(s) & wrong.value] or [item.text]
    before = trail.observations[: told + 1]
    for name, sentence in trail.final_sentences:
        if name not in read or not wrong.answers_with(sentence, item.text):
            continue
        old = any(rivals(sentence, wrong.said, fact, wrong.value) for fact in facts)
        # Told after the change it would be newer, and told by nobody it is invented or altered, not stale.
        if old and is_stated(sentence, before) and not holds(sentence, item):
            return _not_carried_out(trail, told, item.text)
    return None


def _not_carried_out(trail: Trail, at: int, sentence: str) -> Verdict:
    """The decision about a change or a retraction; a refused one or an extractor that left it out says more."""
    decision = trail.decision(at, sentence)
    if decision and decision.action == "reject":
        return _refusal(decision, sentence)
    return _left_out(trail, at, sentence) or ("stale", decision.seq if decision else None)


def _invention_used(trail: Trail, wrong: Wrong, item: Evidence) -> Verdict | None:
    """What was answered stands in a memory that nobody stated, and that was read."""
    if not wrong.said or not trail.inventions:
        return None
    read = trail.memories_read(wrong.question.question)
    about, alone = telling(wrong.question.question), len(wrong.question.evidence) == 1
    for name, sentence in trail.final_sentences:
        if name not in read or not wrong.answers_with(sentence) or not about & telling(sentence):
            continue
        # Of several needed facts it displaced the one that it rivals; the others have causes of their own.
        if alone or rivals(sentence, wrong.said, item.text, wrong.value):
            seq = trail.inventor(name, sentence)
            if seq is not None:
                return "invented", seq
    return None


def _unread(trail: Trail, wrong: Wrong, holding: Holding) -> Verdict | None:
    """Where the last recall for this question did not bring the fact."""
    recalls = trail.recalls_for(wrong.question.question)
    if not recalls or recalls[-1].seq in holding.recalls:
        return None
    if any(event.searched == "" for event in recalls):
        return "not_looked", recalls[-1].seq
    # A refused query or choice stands between what was read before and the last recall for this question.
    start = max((e.seq for e in trail.recalls_before(recalls[0])), default=-1)
    refused = [
        event.seq
        for event in trail.writes_at(None)
        if event.action == "reject" and start < event.seq < recalls[-1].seq
    ]
    return ("malformed", refused[-1]) if refused else ("not_retrieved", recalls[-1].seq)


def _misread(trail: Trail, wrong: Wrong, item: Evidence) -> Verdict:
    asked = trail.answered(wrong.number)
    if asked is None:
        return "cannot_tell", None
    if trail.episode.turns[asked.index].completion.finish_reason == "length":
        return "malformed", asked.seq
    # Words that the question says too show nothing: an answer may repeat the question.
    own = set(words(item.text)) - set(words(wrong.question.question)) - STOP_WORDS
    used = own & set(words(trail.answer(wrong.number)))
    others = {w for other in wrong.question.evidence if other != item for w in words(other.text)}
    if used and used <= others:
        return "cannot_tell", asked.seq
    return ("reader_error" if used else "not_used"), asked.seq
