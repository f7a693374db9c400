"""Mem0's history: the table `history` of its SQLite file, as versions since 2024 write it (memory_id, old_memory,
new_memory, event ADD, UPDATE or DELETE, created_at, updated_at), and the older one (prev_value, new_value, timestamp).
The file is opened for reading alone, within bounds of time and size; nothing of its schema is trusted."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from memfactory_core.errors import RunError
from memfactory_core.logs.entry import LONGEST_TEXT, MOST_ENTRIES, Entry, make_entry

MAGIC = b"SQLite format 3\0"
OPS = {"ADD": "add", "UPDATE": "update", "DELETE": "delete", "NONE": "noop", "NOOP": "noop"}
COLUMNS = {
    "before": ("old_memory", "prev_value"), "after": ("new_memory", "new_value"),
    "time": ("updated_at", "timestamp"), "made": ("created_at", "timestamp"),
}  # fmt: skip
"""What an entry needs, by the names that the versions gave it."""
PATIENCE = 20.0
"""Seconds that a file's own expressions may take."""


def entries_of(content: bytes, name: str) -> Iterator[Entry]:
    """The entries of a history file, in the order of their writing. RunError, in one line, where it is none."""
    with tempfile.TemporaryDirectory(prefix=".log.") as folder:
        file = Path(folder) / "history.db"
        file.write_bytes(content)
        try:
            with contextlib.closing(_open(file)) as connection:
                yield from _read(connection, name)
        except (sqlite3.Error, sqlite3.Warning, OverflowError, UnicodeDecodeError) as error:
            raise RunError(f"{name} cannot be read as a history of Mem0: {error}") from error


def _open(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 8 * LONGEST_TEXT)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    # a file may bring views and computed columns that call functions
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA cell_size_check=ON")
    deadline = time.monotonic() + PATIENCE
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
    return connection


def _read(connection: sqlite3.Connection, name: str) -> Iterator[Entry]:
    kinds = connection.execute("SELECT type FROM sqlite_master WHERE name = 'history'").fetchall()
    if kinds != [("table",)]:
        raise RunError(f"{name} holds no table 'history'; give Mem0's history file (history.db)")
    # hidden columns are computed ones
    there = {row[1] for row in connection.execute("PRAGMA table_xinfo(history)") if not row[6]}
    found = {
        role: next((column for column in names if column in there), None)
        for role, names in COLUMNS.items()
    }
    if not {"memory_id", "event"} <= there or not found["after"] or not found["before"]:
        raise RunError(
            f"{name}: the table 'history' is not that of Mem0 (columns: {_named(there)})"
        )
    columns = ", ".join(f'"{column}"' if column else "NULL" for column in found.values())
    # rows are only ever added: their number is their order
    chosen = f"SELECT memory_id, event, {columns} FROM history ORDER BY rowid LIMIT ?"
    for number, row in enumerate(connection.execute(chosen, (MOST_ENTRIES + 1,)), 1):
        yield _entry(row, f"{name}, row {number}")


def _named(columns: set[str]) -> str:
    return ", ".join(sorted(column[:30] for column in columns)[:12])


def _entry(row: tuple[Any, ...], place: str) -> Entry:
    memory_id, event, before, after, changed, made = row
    op = OPS.get(str(event or "").upper()[:20])
    if op is None:
        raise RunError(f"{place}: no operation is called {str(event)[:40]!r}")
    values = {"op": op, "id": memory_id, "before": before or None, "at": changed or made or None}
    if op in ("add", "update"):
        values["text"] = after or ""
    for given in values.values():
        if isinstance(given, bytes):
            raise RunError(f"{place} holds bytes where a text should be")
    return make_entry({k: v for k, v in values.items() if v is not None}, place)
