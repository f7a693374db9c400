"""What a data file holds, looked at before it is used: its columns, its first records, and which column is likely
what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from memfactory_core.tasks import Task
from memfactory_core.tasks.data_file import Entry, read_entries
from memfactory_core.types import Record

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


def guess_columns(columns: Sequence[str]) -> dict[str, str]:
    """For each setting the column that is likely meant, by its name; "" where none is."""
    left, guessed = list(columns), {}
    for setting, names in NAMES.items():
        lower = {column.lower().rpartition(".")[2]: column for column in reversed(left)}
        found = next((lower[name] for name in names if name in lower), "")
        guessed[setting] = found
        left = [column for column in left if column != found]
    return guessed
