"""The typed record of an episode; `replay`, which rebuilds the bank at any moment from it; and `follow_facts`, the
one account of what memory held of each needed fact, which measures, causes and pages all read.

Events are numbered from 0 (`seq`); `turn` is the number of policy calls made before the event, `at` the
index of the observation being read (None once the question is being answered).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import Field

from memfactory_core.text import words
from memfactory_core.types import Action, Evidence, Example, Hit, Memory, Record, Turn

Who = Literal["agent", "user"]


class Header(Record):
    """What every event carries."""

    seq: int
    at: int | None = None
    turn: int = 0


class Asked(Header):
    """The policy was asked; `index` points into the episode's turns."""

    kind: Literal["asked"] = "asked"
    role: str
    index: int


class Recalled(Header):
    """A retriever read the bank."""

    kind: Literal["recalled"] = "recalled"
    query: str
    hits: tuple[Hit, ...]
    searched: str | None = None
    """What the policy asked memory for instead of the query; "" where it did not look, None where it had no say."""


class Cited(Header):
    """An answer named the memories that it rests on."""

    kind: Literal["cited"] = "cited"
    question: str
    memory_ids: tuple[str, ...]


class Wrote(Header):
    """The memory was changed, or a change was refused (`reject`) or declined (`noop`)."""

    kind: Literal["wrote"] = "wrote"
    action: Action
    memory_id: str | None = None
    before: str | None = None
    after: str | None = None
    reason: str = ""
    key: str = ""
    """The words under which the memory is found from now on; empty means its text."""
    who: Who = "agent"
    """Who wrote: the agent, or the user of a talk by hand."""
    undoes: int | None = None
    """The number of the write that this one takes back."""


class Pinned(Header):
    """A user pinned a memory, so that nobody changes or removes it, or let go of it again."""

    kind: Literal["pinned"] = "pinned"
    memory_id: str
    pinned: bool
    who: Who = "user"


class Failed(Header):
    """A part raised; the episode ended here and the others went on."""

    kind: Literal["failed"] = "failed"
    error: str


Event = Annotated[Asked | Recalled | Cited | Wrote | Pinned | Failed, Field(discriminator="kind")]


class Episode(Record):
    """One attempt at an example, with everything that happened in it."""

    id: str
    group_id: str
    example: Example
    turns: tuple[Turn, ...] = ()
    events: tuple[Event, ...] = ()
    answer: str = ""
    other_answers: tuple[str, ...] = ()
    verdicts: tuple[float | None, ...] = ()
    """The judge's verdict on each answer, 1.0 or 0.0, None where it gave none; empty without a judge."""
    scores: dict[str, float] = Field(default_factory=dict)
    reward: float = 0.0
    advantage: float = 0.0
    dropped: bool = False
    """A part of the reward could not be found out (a judge failed): the episode counts in no mean and no gradient."""
    stop_reason: Literal["answered", "failed"] = "answered"


def replay(
    events: Iterable[Event], count: int | None = None, bank: Mapping[str, Memory] | None = None
) -> dict[str, Memory]:
    """The bank after the events with `seq` < `count` (all of them by default), by memory id; `bank` is what
    was there before them."""
    bank = dict(bank or {})
    for event in events:
        if count is not None and event.seq >= count:
            break
        if isinstance(event, Pinned) and event.memory_id in bank:
            update = {"pinned": event.pinned}
            bank[event.memory_id] = bank[event.memory_id].model_copy(update=update)
        if not isinstance(event, Wrote) or event.memory_id is None:
            continue
        if event.action == "delete":
            bank.pop(event.memory_id, None)
        elif event.action in ("add", "update"):
            known = bank.get(event.memory_id)
            bank[event.memory_id] = Memory(
                id=event.memory_id,
                text=event.after or "",
                created=known.created if known else event.seq,
                updated=event.seq,
                source=event.at,
                key=event.key,
            )
    return bank


def holds(text: str, evidence: Evidence) -> bool:
    """Whether a text states the evidence: the words of one of its wordings stand in it, in order and without a gap."""
    line = words_line(text)
    return any(fact in line for fact in _lines_of(evidence))


def _lines_of(evidence: Evidence) -> tuple[str, ...]:
    return tuple(line for text in evidence.wordings if (line := words_line(text)))


@lru_cache(maxsize=8192)
def words_line(text: str) -> str:
    """The words of a text with single spaces between and around them, so that "stated" is "a part of": `contains_words`
    of many parts and texts, each cut into words once. "" where there is no word."""
    found = words(text)
    return f" {' '.join(found)} " if found else ""


class Stay(Record):
    """A stretch of an episode in which memory held a fact: from the write `since` on, up to the write `until`
    (None: to the end), which ended it by `how`. All numbers are `seq`."""

    since: int
    until: int | None = None
    how: Literal["deleted", "overwritten", "merged_away"] | None = None


class Holding(Record):
    """What memory held of one needed fact, write by write; see `follow_facts`."""

    evidence: Evidence
    told: int | None
    """The observation that states it: the one that the task names, else the first that holds its words."""
    stays: tuple[Stay, ...]
    """When it was in memory, in order; () where it never was."""
    recalls: tuple[int, ...]
    """The `seq` of each recall for an answer that brought it."""

    @property
    def stored(self) -> bool:
        """Whether it was in memory at some moment."""
        return bool(self.stays)

    @property
    def kept(self) -> bool:
        """Whether it is in memory at the end."""
        return bool(self.stays) and self.stays[-1].until is None

    def held_before(self, seq: int) -> bool:
        """Whether it was in memory after all events with a number below `seq`."""
        return any(s.since < seq and (s.until is None or s.until >= seq) for s in self.stays)

    def last_loss(self, before: int | None = None) -> Stay | None:
        """The last stay that had ended by the event `before` (by the end where None); None where none had."""
        for stay in reversed(self.stays):
            if stay.until is not None and (before is None or stay.until < before):
                return stay
        return None


def follow_facts(example: Example, events: Iterable[Event]) -> dict[Evidence, Holding]:
    """Every needed fact of the example with what memory held of it, in the order of `example.needed`.

    A fact is held where the bank, read as one text in its order, states it: a fact of two sentences may be kept as
    two memories that stand side by side."""
    items = example.needed
    # By place and not by fact from here on: these loops run once for each write and fact.
    facts = [(place, lines) for place, item in enumerate(items) if (lines := _lines_of(item))]
    bank = _Lines(reach=max((len(line) for _, lines in facts for line in lines), default=0))
    stays: list[list[Stay]] = [[] for _ in items]
    recalls: list[list[int]] = [[] for _ in items]
    held_since: dict[int, int] = {}
    for event in events:
        if isinstance(event, Recalled) and event.at is None:
            read = _join(words_line(hit.memory.text) for hit in event.hits)
            for place, lines in facts:
                if any(line in read for line in lines):
                    recalls[place].append(event.seq)
        elif isinstance(event, Wrote) and event.memory_id is not None:
            if event.action not in ("add", "update", "delete"):
                continue
            before, after = bank.write(event)
            for place, lines in facts:
                if any(line in after for line in lines):
                    held_since.setdefault(place, event.seq)
                # Only what stood at the changed place can have gone; it may still stand at another.
                elif (
                    place in held_since
                    and any(line in before for line in lines)
                    and not any(line in bank.line for line in lines)
                ):
                    since = held_since.pop(place)
                    stays[place].append(Stay(since=since, until=event.seq, how=_how(event)))
    for place, since in held_since.items():
        stays[place].append(Stay(since=since))
    return {
        item: Holding(
            evidence=item, told=told_at(example, item), stays=tuple(stays[place]),
            recalls=tuple(recalls[place]),
        )
        for place, item in enumerate(items)
    }  # fmt: skip


def follow_writes(example: Example, events: Iterable[Event]) -> Iterator[tuple[Wrote, list[str]]]:
    """Each addition and change that was made while an observation was read, with what could be read before it: the
    observation, and then the memories of the bank. So a text is new in the write that brought it, and in none that
    copies it later."""
    bank: dict[str, str] = {}
    for event in events:
        if not isinstance(event, Wrote) or event.memory_id is None:
            continue
        if event.action == "delete":
            bank.pop(event.memory_id, None)
        elif event.action in ("add", "update"):
            if event.at is not None and event.at < len(example.observations):
                yield event, [example.observations[event.at], *bank.values()]
            bank[event.memory_id] = event.after or ""


def told_at(example: Example, item: Evidence) -> int | None:
    """The observation that states a needed fact: the one that the task names, else the first that holds its words;
    None where none does."""
    if item.observation is not None:
        return item.observation
    return told_in(example.observations, item.text)


def told_in(observations: Sequence[str], text: str) -> int | None:
    """The first observation that holds a text's words; None where none does."""
    item = Evidence(text=text)
    return next((i for i, told in enumerate(observations) if holds(told, item)), None)


class _Lines:
    """A bank as lines of words, and what each write changed: the surroundings of the changed memory before and after,
    wide enough for every fact that could stand across its borders. So a write costs the same in a bank of any size."""

    def __init__(self, reach: int) -> None:
        self.reach = reach
        self.lines: dict[str, str] = {}

    @property
    def line(self) -> str:
        return _join(self.lines.values())

    def write(self, event: Wrote) -> tuple[str, str]:
        name, names = event.memory_id or "", list(self.lines)
        place = names.index(name) if name in self.lines else len(names)
        left = self._near(reversed(names[:place]))[::-1]
        right = self._near(names[place + 1 :])
        old = self.lines.get(name, "")
        new = "" if event.action == "delete" else words_line(event.after or "")
        if event.action == "delete":
            self.lines.pop(name, None)
        else:
            self.lines[name] = new
        return _join([*left, old, *right]), _join([*left, new, *right])

    def _near(self, names: Iterable[str]) -> list[str]:
        found, size = [], 0
        for name in names:
            if size >= self.reach:
                break
            found.append(self.lines[name])
            size += len(found[-1])
        return found


def _join(lines: Iterable[str]) -> str:
    """Lines of words as one: the border between two is one space, not two."""
    return f" {' '.join(line.strip() for line in lines if line)} "


def _how(event: Wrote) -> Literal["deleted", "overwritten", "merged_away"]:
    if event.action == "delete":
        return "deleted"
    return "merged_away" if event.reason == "merged" else "overwritten"
