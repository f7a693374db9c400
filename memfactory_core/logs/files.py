"""Which kind of log a file is: told by what it holds, never by its name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import chain

from memfactory_core.errors import RunError
from memfactory_core.logs import mem0, spans
from memfactory_core.logs.entry import Entry, in_time, make_entry, parse_line
from memfactory_core.text import parse_json

LARGEST = 100_000_000
"""Bytes of all files of one import."""
KINDS = {"jsonl": "a memory log", "otlp": "OpenTelemetry spans", "mem0": "Mem0's history"}


def read_log(files: Mapping[str, bytes]) -> tuple[list[Entry], str]:
    """The entries of all files together, in the order of their times, and what the first file is (a name of KINDS).
    RunError, in one line, where a file is no log."""
    if sum(map(len, files.values())) > LARGEST:
        raise RunError(f"the log is larger than {LARGEST // 10**6} MB; import a part of it")
    found: list[tuple[str, Iterator[Entry]]] = [_open(n, content) for n, content in files.items()]
    entries = in_time(entry for _, several in found for entry in several)
    if not entries:
        raise RunError(f"{', '.join(files) or 'the log'} holds no entry; see docs/import-logs.md")
    return entries, found[0][0]


def _open(name: str, content: bytes) -> tuple[str, Iterator[Entry]]:
    if content.startswith(mem0.MAGIC):
        return "mem0", mem0.entries_of(content, name)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RunError(
            f"{name} is neither UTF-8 text nor Mem0's history (byte {error.start})"
        ) from error
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        return "jsonl", iter(())
    number, first = lines[0]
    try:
        value = parse_json(first)
    except json.JSONDecodeError:  # one value over several lines, or no JSON at all
        values = _parse(text, name)
        if spans.is_spans(values):
            return "otlp", spans.entries_of([values], name)
        raise RunError(f"{name}, line {number} is not JSON; a log has one entry a line") from None
    except ValueError as error:
        raise RunError(f"{name}, line {number} is not JSON: {str(error)[:200]}") from error
    if spans.is_spans(value):
        more = (_parse(line, f"{name}, line {number}") for number, line in lines[1:])
        return "otlp", spans.entries_of(chain([value], more), name)
    places = ((line, f"{name}, line {number}") for number, line in lines)
    return "jsonl", (make_entry(parse_line(line, place), place) for line, place in places)


def _parse(text: str, place: str) -> object:
    """A request of OTLP, which holds many spans and may be as long as a file."""
    try:
        return parse_json(text)
    except ValueError as error:
        raise RunError(f"{place} is not JSON: {str(error)[:200]}") from error
