"""A bank as a file: one JSON object a line with the memory's text and, where there are, its key and that it is
pinned."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from memfactory_core.errors import ConfigError
from memfactory_core.text import parse_json
from memfactory_core.types import Memory

MOST_LINES = 10_000
MOST_BYTES = 10_000_000


def write_lines(memories: Sequence[Memory]) -> str:
    """The memories as lines, in the order of the bank."""
    return "".join(json.dumps(_values(memory), ensure_ascii=False) + "\n" for memory in memories)


def _values(memory: Memory) -> dict[str, Any]:
    values: dict[str, Any] = {"id": memory.id, "text": memory.text}
    values |= {"key": memory.key} if memory.key else {}
    return values | ({"pinned": True} if memory.pinned else {})


def read_lines(content: bytes) -> list[Memory]:
    """The memories of a file; their ids are those of the file. ConfigError names the line that is none, and what is
    wrong with it."""
    if len(content) > MOST_BYTES:
        raise ConfigError(
            f"the file has {len(content):,} bytes; {MOST_BYTES:,} are read at most: bring it in parts"
        )
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ConfigError("the file is not UTF-8 text: save it as UTF-8") from error
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if len(numbered) > MOST_LINES:
        raise ConfigError(
            f"the file has {len(numbered):,} memories; {MOST_LINES:,} are read at most: bring it in parts"
        )
    return [_read_line(number, line) for number, line in numbered]


def _read_line(number: int, line: str) -> Memory:
    try:
        values = parse_json(line)
    except ValueError as error:
        raise ConfigError(f"line {number} is no JSON: {error}") from error
    text = values.get("text") if isinstance(values, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(f'line {number} is no memory: it needs a text, {{"text": "..."}}')
    key, pinned = values.get("key", ""), values.get("pinned", False)
    if not isinstance(key, str) or not isinstance(pinned, bool):
        raise ConfigError(
            f"line {number}: `key` is a text and `pinned` is true or false; leave out what there is none of"
        )
    return Memory(id=str(values.get("id", number)), text=text, key=key, pinned=pinned)
