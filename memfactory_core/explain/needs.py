"""What became of each needed fact of an episode, in words and in observations. What memory held of it, write by write,
is found by trace.follow_facts alone; here its moments get their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from memfactory_core.explain.causes import Finding
from memfactory_core.trace import Episode, Event, Holding, Wrote, follow_facts
from memfactory_core.types import Evidence, Record

Standing = Literal["unread", "kept", "missed", "lost", "gone"]
"""Of a needed fact after an observation: not read yet; in memory; read here and not written; lost here;
lost or missed earlier."""


class Need(Record):
    """One needed fact, counted in observations: told at `told`, in memory from `stored` on (None: never), gone from
    `lost` on (None: kept to the end). `cause` says why a question that needs it was answered wrongly."""

    text: str
    told: int
    stored: int | None
    lost: int | None
    observations: int
    cause: str | None = None
    cause_seq: int | None = None


def find_needs(
    episode: Episode,
    findings: Sequence[Finding],
    holdings: Mapping[Evidence, Holding] | None = None,
) -> list[Need]:
    """Each needed fact whose observation the task names; its cause from `causes.explain`. `holdings` is what
    `trace.follow_facts` found, where it is known already."""
    if holdings is None:
        holdings = follow_facts(episode.example, episode.events)
    causes = {f.evidence.text: f for f in findings if f.evidence is not None}
    needs = []
    for item, holding in holdings.items():
        if item.observation is None:
            continue
        finding = causes.get(item.text)
        first = holding.stays[0].since if holding.stays else None
        gone = None if holding.kept or not holding.stays else holding.stays[-1].until
        needs.append(
            Need(
                text=item.text, told=item.observation, stored=_at(episode, first),
                lost=_at(episode, gone), observations=len(episode.example.observations),
                cause=finding.cause if finding else None,
                cause_seq=finding.seq if finding else None,
            )
        )  # fmt: skip
    return needs


def _at(episode: Episode, seq: int | None) -> int | None:
    return None if seq is None else episode.events[seq].at


def standing(holding: Holding, observation: int, first: int, end: int) -> Standing:
    """How a needed fact stands after an observation whose events have the numbers `first` to `end` - 1."""
    if holding.held_before(end):
        return "kept"
    if any(stay.until is not None and first <= stay.until < end for stay in holding.stays):
        return "lost"
    if holding.told == observation:
        return "missed"
    return "unread" if holding.told is None or holding.told > observation else "gone"


def state_at(holding: Holding, end: int, reached: int) -> tuple[str, int | None]:
    """What memory held of a needed fact after the events before `end`, in a word, and the event that brought it
    about: "present", how it was lost, "never_stored", or "untold" where observation `reached` came before it."""
    if holding.held_before(end):
        return "present", None
    lost = holding.last_loss(before=end)
    if lost and lost.how:
        return lost.how, lost.until
    untold = holding.told is None or holding.told > reached
    return ("untold" if untold else "never_stored"), None


def course_in_words(holding: Holding, events: Sequence[Event], read: int) -> str:
    """A needed fact's course as the end of a sentence, after `read` observations: "was read in section 2, written
    and kept to the end"."""
    place = holding.told
    if place is None:
        return "is not stated in any section"
    if place >= read:
        return f"stands in section {place + 1}, which was not read"
    if not holding.stored:
        here = [event for event in events if isinstance(event, Wrote) and event.at == place]
        refused = any(event.action == "reject" for event in here)
        why = "; the write was rejected" if refused else ""
        return f"was read in section {place + 1} and never written{why}"
    written = events[holding.stays[0].since].at
    there = (
        "written" if written == place or written is None else f"written in section {written + 1}"
    )
    start = f"was read in section {place + 1}, {there}"
    lost = holding.last_loss()
    if holding.kept or lost is None or lost.until is None:
        return f"{start} and kept to the end"
    verb = {"deleted": "deleted", "merged_away": "lost in a merge"}.get(
        lost.how or "", "overwritten"
    )
    where = events[lost.until].at
    section = "while answering" if where is None else f"in section {where + 1}"
    return f"{start}, and {verb} {section}"


def survival(needs: Sequence[Need]) -> list[tuple[int, float, int]]:
    """The share of needed facts still in memory after 0, 1, 2, ... further observations, and how many facts
    were followed that long: (observations since told, share alive, at risk). Facts told too late to be
    followed so far leave the count; it is no estimate beyond the longest follow-up."""
    curve = []
    longest = max((need.observations - 1 - need.told for need in needs), default=-1)
    for age in range(longest + 1):
        followed = [need for need in needs if need.told + age < need.observations]
        alive = sum(
            need.stored is not None
            and need.stored <= need.told + age
            and (need.lost is None or need.lost > need.told + age)
            for need in followed
        )
        curve.append((age, alive / len(followed), len(followed)))
    return curve
