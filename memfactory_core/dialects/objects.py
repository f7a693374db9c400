"""JSON inside what a model says: alone, in a fence, after a word of greeting, or with Python's quotation marks."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

TRIED = 8
"""Places at which JSON is looked for; the number bounds the time."""
LONGEST_LITERAL = 20_000
"""Characters up to which Python's notation is tried."""
_START = re.compile(r"[{\[]")
_ODD_ESCAPE = re.compile(r"\\[^\\'\"nrtux]")
"""What Python's notation does not know; it would warn of it."""
_QUOTE = re.compile(r'\\.|"', re.DOTALL)
_COMMA = re.compile(r'\\.|"|,(?=\s*[}\]])', re.DOTALL)
_DECODER = json.JSONDecoder(strict=False)


def find_json(text: str) -> Any:
    """The first object or list in a text that stands on lines of its own, or None."""
    values, _ = find_values(text, most=1)
    return values[0] if values else None


def find_values(text: str, most: int) -> tuple[list[Any], bool]:
    """The objects and lists in a text that stand on lines of their own, at most so many, and whether other words
    stand between them."""
    text = _without_trailing_commas(text)
    values: list[Any] = []
    place = end = failed = 0
    between = False
    while len(values) < most and failed < TRIED and (start := _START.search(text, place)):
        place = start.start() + 1
        try:
            value, stop = _DECODER.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            failed += 1
            continue
        if not isinstance(value, (dict, list)) or not _stands_alone(text, start.start(), stop):
            failed += 1
            continue
        between = between or bool(values and text[end : start.start()].strip(" \n\r\t,;`"))
        values.append(value)
        place = end = stop
    if values:
        return values, between
    literal = _python_literal(text)
    return ([] if literal is None else [literal]), False


def _without_trailing_commas(text: str) -> str:
    """The text without commas before a closing bracket: else a list of objects would be read as its first one."""
    kept, start, quoted = [], 0, False
    for found in _COMMA.finditer(text):
        if found[0] == '"':
            quoted = not quoted
        elif found[0] == "," and not quoted:
            kept.append(text[start : found.start()])
            start = found.end()
    return "".join([*kept, text[start:]]) if kept else text


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether nothing else is on the lines where the value begins and ends; `#[3] to x` is no JSON."""
    before = text[text.rfind("\n", 0, start) + 1 : start].strip()
    line_end = text.find("\n", end)
    after = text[end : len(text) if line_end < 0 else line_end].strip()
    return (not before or before[-1] in ":}],`" or before.endswith("json")) and (
        not after.strip("`.;,") or after.lstrip(", ;")[:1] == "{"
    )


def _python_literal(text: str) -> Any:
    start = _START.search(text)
    close = max(text.rfind("}"), text.rfind("]"))
    if start is None or not start.start() < close < start.start() + LONGEST_LITERAL:
        return None
    if not _stands_alone(text, start.start(), close + 1) or _ODD_ESCAPE.search(text):
        return None
    try:
        value = ast.literal_eval(text[start.start() : close + 1])
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None
    return value if isinstance(value, (dict, list)) else None


def find_strings(text: str) -> list[str]:
    """The complete strings of a JSON list that was cut off or is broken; keys of objects are left out."""
    quotes = [mark.start() for mark in _QUOTE.finditer(text) if mark[0] == '"']
    found = []
    for start, end in zip(quotes[::2], quotes[1::2], strict=False):
        if text[end + 1 : end + 9].lstrip().startswith(":"):
            continue
        try:
            found.append(json.loads(text[start : end + 1], strict=False))
        except ValueError:
            continue
    return found
