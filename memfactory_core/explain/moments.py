"""An episode moment by moment: which events belong together, which event decides each moment, and
what had become of each needed fact by then. Plain data from the trace; no widget, no markup."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from memfactory_core.explain.causes import Finding, explain
from memfactory_core.explain.needs import state_at
from memfactory_core.explain.trail import Trail
from memfactory_core.rewards.answers import extract_answer
from memfactory_core.text import contains_words, words
from memfactory_core.trace import Asked, Episode, Event, Failed, Holding, Recalled, Wrote
from memfactory_core.types import Evidence, Memory

ROLES = {
    "extract": "Extract",
    "update": "Rewrite the memory",
    "manage": "Decide",
    "merge": "Merge",
    "index": "Write its key",
    "search": "Look or not",
    "rerank": "Choose what to read",
    "answer": "Answer",
}
STATES = {
    "untold": "not told yet",
    "present": "present",
    "never_stored": "never stored",
    "overwritten": "overwritten",
    "merged_away": "lost in a merge",
    "deleted": "deleted",
    "not_looked": "in memory, the policy did not look",
    "not_retrieved": "in memory, not retrieved",
    "not_used": "retrieved but not used",
    "reader_error": "retrieved but misread",
    "used": "retrieved and used",
}
_READING = ("not_used", "reader_error")


@dataclass(frozen=True)
class Moment:
    """Events that belong together: what was recalled, what the policy said, what was written."""

    events: tuple[Event, ...]

    @property
    def at(self) -> int | None:
        """The observation being read, None while answering."""
        return self.events[0].at

    @property
    def end(self) -> int:
        """The number after its last event: the bank replayed up to here is the bank afterwards."""
        return self.events[-1].seq + 1

    @property
    def decides(self) -> int:
        """The event that stands for the moment: its first write, else its last question to the
        policy, else its first event."""
        writes = [event.seq for event in self.events if isinstance(event, Wrote)]
        asks = [event.seq for event in self.events if isinstance(event, Asked)]
        return (writes[:1] or asks[-1:] or [self.events[0].seq])[0]

    @property
    def title(self) -> str:
        """Where and what, in words."""
        asked = next((e for e in self.events if isinstance(e, Asked)), None)
        role = ROLES.get(asked.role, asked.role) if asked else "Write"
        if self.at is not None:
            return f"Section {self.at + 1} · {role}"
        return "Answer" if role in ("Answer", "Write") else f"Answer · {role}"


def moments(episode: Episode) -> list[Moment]:
    """The episode in order; a moment ends after its writes, and with its section."""
    found: list[list[Event]] = []
    for event in episode.events:
        last = found[-1][-1] if found else None
        done = isinstance(last, Wrote) and not isinstance(event, Wrote)
        if last is None or done or last.at != event.at:
            found.append([])
        found[-1].append(event)
    return [Moment(tuple(events)) for events in found]


def find(told: Sequence[Moment], seq: int | None) -> int:
    """The index of the moment that holds an event; the first one where none does."""
    if seq is None:
        return 0
    holding = (i for i, moment in enumerate(told) if moment.events[0].seq <= seq < moment.end)
    return next(holding, 0)


def event_of_turn(episode: Episode, turn: int) -> int | None:
    """The event that a turn led to: its first write, else the question to the policy itself."""
    for event in episode.events:
        if isinstance(event, Asked) and event.index == turn:
            after = episode.events[event.seq + 1 : event.seq + 2]
            return after[0].seq if after and isinstance(after[0], Wrote) else event.seq
    return None


def needed_at(
    episode: Episode, end: int, findings: Sequence[Finding] | None = None
) -> list[tuple[Evidence, str, int | None]]:
    """Each needed fact with its state (a key of STATES) after the events before `end`, and the
    event that brought it about, where one did. `findings` are those of `causes.explain`, where they are
    known already."""
    trail = Trail(episode)
    events = [event for event in episode.events if event.seq < end]
    reached = max((event.at for event in events if event.at is not None), default=-1)
    if events and any(event.at is None for event in events):
        reached = len(episode.example.observations)
    found = []
    for item, holding in trail.holdings.items():
        state, seq = state_at(holding, end, reached)
        if state == "present":
            state, seq = _when_read(trail, holding, end)
        if state == "used":
            findings = explain(episode) if findings is None else findings
            causes = [f.cause for f in findings if f.evidence == item and f.cause in _READING]
            state = causes[0] if causes else state
        found.append((item, state, seq))
    return found


def _when_read(trail: Trail, holding: Holding, end: int) -> tuple[str, int | None]:
    """Of a fact in memory: whether it was read for an answer before `end`."""
    item = holding.evidence
    asked = [q.question for q in trail.episode.example.questions if item in q.evidence]
    reads = [e for question in asked for e in trail.recalls_for(question) if e.seq < end]
    if not reads:
        return "present", None
    last = max(event.seq for event in reads)
    if last not in holding.recalls:
        looked = all(event.searched != "" for event in reads)
        return ("not_retrieved" if looked else "not_looked"), last
    first = trail.answered(0)
    if first is None or first.seq >= end:
        return "present", last
    return "used", last


def history(episode: Episode, memory_id: str) -> list[Event]:
    """The events of one memory: its writes, the recalls that brought it, the turns that cite it."""
    found: list[Event] = []
    shown: Memory | None = None
    for event in episode.events:
        if isinstance(event, Wrote) and event.memory_id == memory_id:
            found.append(event)
        elif isinstance(event, Recalled):
            hit = next((h for h in event.hits if h.memory.id == memory_id), None)
            if hit:
                shown = hit.memory
                found.append(event)
        elif isinstance(event, Asked) and shown and event.at is None:
            if cites(episode.turns[event.index].completion.text, shown):
                found.append(event)
    return found


def cites(said: str, memory: Memory) -> bool:
    """Whether an output names a memory by its id, quotes it, or says words that stand in it."""
    answer = extract_answer(said)
    return (
        re.search(rf"#{re.escape(memory.id)}(?!\w)", said) is not None
        or contains_words(said, memory.text)
        or (bool(words(answer)) and contains_words(memory.text, answer))
    )


def failure(episode: Episode) -> str | None:
    """The error of a part that raised."""
    return next((event.error for event in episode.events if isinstance(event, Failed)), None)
