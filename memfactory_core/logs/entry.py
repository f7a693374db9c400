"""The documented format: one entry of a memory log a line, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
)

from memfactory_core.assignment import explain
from memfactory_core.errors import RunError
from memfactory_core.text import parse_json

LONGEST_TEXT = 100_000
"""Characters of one text of a log."""
LONGEST_LINE = 2_000_000
"""Characters of one line."""
MOST_ENTRIES = 200_000
MOST_HITS = 1000
"""Memories of one search."""
LATEST = 32_503_680_000.0
"""The year 3000, in seconds since 1970; a larger number of seconds is no time."""
Op = Literal["read", "add", "update", "delete", "noop", "reject", "search", "answer"]
Text = Annotated[str, Field(max_length=LONGEST_TEXT)]


def spell_number(value: Any) -> Any:
    """A whole number as the text of an id; anything else as it is."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Name = Annotated[str, BeforeValidator(spell_number), Field(min_length=1, max_length=200)]
"""An id; other programs have numbers too."""


class Logged(BaseModel):
    """A frozen value of a log; fields of other programs are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Found(Logged):
    """One memory that a search returned."""

    id: Name
    text: Text = ""
    score: float = 0.0


class Entry(Logged):
    """One thing that an agent did. `at` is its time in seconds since 1970, None where the log gives none; entries of
    one `session` share a memory."""

    op: Op
    at: float | None = None
    session: Annotated[str, BeforeValidator(spell_number), Field(max_length=200)] = ""
    id: Name | None = None
    text: Text = ""
    before: Text | None = None
    reason: Text = ""
    query: Text = ""
    hits: Annotated[tuple[Found, ...], Field(max_length=MOST_HITS)] = ()
    question: Text = ""
    answer: Text = ""
    right: Annotated[tuple[Text, ...], Field(max_length=100)] = ()
    needed: Annotated[tuple[Text, ...], Field(max_length=100)] = ()

    @field_validator("at", mode="before")
    @classmethod
    def _read_time(cls, value: Any) -> Any:
        if isinstance(value, str):
            return read_time(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            if not 0 <= value <= LATEST:
                raise ValueError(f"no time in seconds since 1970: {value}")
        return value

    @field_validator("right", "needed", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("hits", mode="before")
    @classmethod
    def _names_or_memories(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        return [{"id": one} if isinstance(one, str | int) else one for one in value]


ENTRY = TypeAdapter(Entry)
NEEDS: dict[str, tuple[str, ...]] = {
    "read": ("text",), "add": ("text",), "update": ("id", "text"), "delete": ("id",),
    "search": ("query",), "answer": ("question",),
}  # fmt: skip
"""Fields without which an operation says nothing."""


def read_time(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 time; one without a zone is UTC. ValueError where it is none."""
    try:
        found = datetime.fromisoformat(text.strip()[:40])
        zoned = found if found.tzinfo else found.replace(tzinfo=UTC)
        return zoned.timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(f"no time: {text[:40]!r} (an ISO 8601 time or seconds are)") from error


def make_entry(values: Any, place: str) -> Entry:
    """An entry of plain values. RunError, in one line, where they are none."""
    try:
        entry = ENTRY.validate_json(json.dumps(values)) if isinstance(values, dict) else None
    except ValidationError as error:
        raise RunError(
            f"{place}: {'; '.join(line[:200] for line in explain(error)[:3])}"
        ) from error
    if entry is None:
        raise RunError(f"{place}: expected an object with the field op, see docs/import-logs.md")
    for name in NEEDS.get(entry.op, ()):
        if not getattr(entry, name):
            raise RunError(f"{place}: {entry.op!r} wants the field {name!r}")
    return entry


def parse_line(line: str, place: str) -> Any:
    """The values of one line of JSON. RunError where it is too long or none."""
    if len(line) > LONGEST_LINE:
        raise RunError(f"{place} is longer than {LONGEST_LINE:,} characters")
    try:
        return parse_json(line)
    except ValueError as error:
        raise RunError(f"{place} is not JSON: {str(error)[:200]}") from error


def in_time(entries: Iterable[Entry]) -> list[Entry]:
    """The entries in the order of their times; one without a time stays behind the one before it."""
    last, timed = 0.0, []
    for number, entry in enumerate(entries):
        if number >= MOST_ENTRIES:
            raise RunError(f"the log has more than {MOST_ENTRIES:,} entries; import a part of it")
        last = last if entry.at is None else entry.at
        timed.append((last, number, entry))
    return [entry for _, _, entry in sorted(timed, key=lambda one: one[:2])]
