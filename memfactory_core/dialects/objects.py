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
_TAG = re.compile(r"</?(?:tool_call|function_call|answer|output|json)>")
_QUOTE = re.compile(r'\\.|"', re.DOTALL)
_DECODER = json.JSONDecoder(strict=False)


def find_json(text: str) -> Any:
    """The first object or list in a text that is more than a mark such as [3], or None."""
    text = _TAG.sub("", text)
    for place, start in enumerate(_START.finditer(text)):
        if place == TRIED:
            break
        try:
            value, end = _DECODER.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(value, (dict, list)) and _stands_alone(text, start.start(), end):
            return value
    return _python_literal(text)


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether nothing else is on the lines where the value begins and ends; `#[3] to x` is no JSON."""
    before = text[text.rfind("\n", 0, start) + 1 : start].strip()
    line_end = text.find("\n", end)
    after = text[end : len(text) if line_end < 0 else line_end].strip()
    return (not before or before.endswith((":", "```", "json"))) and len(after.strip("`.;,")) == 0


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
