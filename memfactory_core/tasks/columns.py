"""What a data file holds, looked at before it is used: its columns, its first records, and which column is likely
what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from memfactory_core.tasks import Task
from memfactory_core.tasks.data_file import Entry, read_entries
from memfactory_core.text import contains_words
from memfactory_core.types import Record

QUESTION_MARKS = ("?", "？", "؟")
SHORTEST_CONTEXT = 20
"""Characters of a text that something can be read in."""
LOOKED_AT = 200
"""Records whose fields are the file's columns."""
NAMES = {
    "context": ("context", "text", "document", "documents", "passage", "history", "conversation", "input"),
    "question": ("question", "query", "prompt", "input"),
    "answers": ("answer", "answers", "output", "outputs", "target", "label", "reference"),
    "evidence": ("evidence", "supporting_facts", "support"),
    "category": ("category", "type", "kind"),
    "name": ("id", "name", "key"),
}  # fmt: skip
"""Names under which published files keep what a task asks for."""


class Overview(Record):
    """A file's columns in the order in which they come, how many records it has, and the first of them."""

    columns: tuple[str, ...]
    records: int
    first: tuple[dict[str, Any], ...]


def look_into(path: str, count: int = 5) -> Overview:
    """What a data file holds. ConfigError names the file, the line and the reason where it cannot be read."""
    entries = read_entries(path)
    first = tuple(entry.values for entry in entries[:count])
    return Overview(columns=tuple(_list_columns(entries)), records=len(entries), first=first)


def _list_columns(entries: Sequence[Entry]) -> list[str]:
    """The fields of the first records, those inside tables by dotted paths."""
    found: dict[str, None] = {}
    for entry in entries[:LOOKED_AT]:
        for name, value in entry.values.items():
            found[name] = None
            if isinstance(value, dict):
                found |= dict.fromkeys(f"{name}.{inner}" for inner in value)
    return list(found)


def named_columns(task: type[Task]) -> list[str]:
    """The settings of a task that name columns; [] for a task that reads a published format."""
    return [name for name in NAMES if name in task.model_fields and task.kind == "jsonl"]


def guess_columns(seen: Overview) -> dict[str, str]:
    """For each setting the column that is likely meant: by its name, and where no name tells what is read, asked and
    answered, by what stands in the first records; "" where none is."""
    guessed = _guess_by_name(seen.columns)
    for setting, fits in FITS.items():
        left = [column for column in seen.columns if column not in guessed.values()]
        best = max(left, key=lambda column: fits(seen.first, column), default="")
        if not guessed[setting] and best and fits(seen.first, best) > 0:
            guessed[setting] = best
    return guessed


def _text(row: Mapping[str, Any], column: str) -> str:
    value = row.get(column)
    parts = value if isinstance(value, list) else [value]
    return " ".join(str(part) for part in parts if isinstance(part, str | int | float))


def _asks(rows: Sequence[Mapping[str, Any]], column: str) -> int:
    """How many of the column's texts end as questions do; 0 where most do not."""
    asked = sum(_text(row, column).rstrip().endswith(QUESTION_MARKS) for row in rows)
    return asked if 2 * asked > len(rows) else 0


def _length(rows: Sequence[Mapping[str, Any]], column: str) -> int:
    """How many characters the column's texts have together; 0 of those too short to be read in."""
    length = sum(len(_text(row, column)) for row in rows)
    return length if length >= SHORTEST_CONTEXT * len(rows) else 0


def _is_stated(rows: Sequence[Mapping[str, Any]], column: str) -> int:
    """How many of the column's texts stand in another column too; 0 where most do not."""
    stated = sum(
        any(contains_words(_text(row, other), _text(row, column)) for other in row if other != column)
        for row in rows
    )  # fmt: skip
    return stated if 2 * stated > len(rows) else 0


FITS = {"question": _asks, "context": _length, "answers": _is_stated}
"""How well a column's texts fit what a task asks for, in the order in which they are looked for."""


def _guess_by_name(columns: Sequence[str]) -> dict[str, str]:
    left, guessed = list(columns), {}
    for setting, names in NAMES.items():
        lower = {column.lower().rpartition(".")[2]: column for column in reversed(left)}
        found = next((lower[name] for name in names if name in lower), "")
        guessed[setting] = found
        left = [column for column in left if column != found]
    return guessed
