"""The typed record of an episode, and `replay`, which rebuilds the bank at any moment from it.

Events are numbered from 0 (`seq`); `turn` is the number of policy calls made before the event, `at` the
index of the observation being read (None once the question is being answered).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from memfactory_core.text import contains_words
from memfactory_core.types import Action, Evidence, Example, Hit, Memory, Record, Turn


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


class Wrote(Header):
    """The memory was changed, or a change was refused (`reject`) or declined (`noop`)."""

    kind: Literal["wrote"] = "wrote"
    action: Action
    memory_id: str | None = None
    before: str | None = None
    after: str | None = None
    reason: str = ""


class Scored(Header):
    """A named measure of the finished episode."""

    kind: Literal["scored"] = "scored"
    name: str
    value: float


class Failed(Header):
    """A part raised; the episode ended here and the others went on."""

    kind: Literal["failed"] = "failed"
    error: str


Event = Annotated[Asked | Recalled | Wrote | Scored | Failed, Field(discriminator="kind")]
EVENTS: TypeAdapter[list[Event]] = TypeAdapter(list[Event])


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
            )
    return bank


def snapshots(episode: Episode) -> list[str]:
    """The whole memory as one text after each observation of the example."""
    texts, bank = [], {}
    writes = [event for event in episode.events if isinstance(event, Wrote)]
    for index in range(len(episode.example.observations)):
        bank = replay([event for event in writes if event.at == index], bank=bank)
        texts.append("\n".join(memory.text for memory in bank.values()))
    return texts


def holds(text: str, evidence: Evidence) -> bool:
    """Whether a text states the evidence: its words stand in it, in order and without a gap."""
    return contains_words(text, evidence.text)
