"""Lists of facts as models write them: lines with numbers or marks, JSON, greetings around them."""

from __future__ import annotations

import re
from typing import Any

from memfactory_core.dialects.markdown import (
    is_heading,
    unwrapped,
    without_fences,
    without_marks,
)
from memfactory_core.dialects.objects import find_json, find_strings
from memfactory_core.dialects.operations import holds_operation

_NOUNS = r"(?:facts?|topics?|traits?|information|memories|memory|preferences?|statements?|details?|items?)"
_NONE = re.compile(
    r"\W{0,2}(?:"
    r"(?:none|n/?a|nil|null|nothing|empty|no[_ ]traits?)\W*$|(?:none|n/a)\s*[-–—:,;(.]|"
    rf"(?:there (?:are|is|were|was) |i (?:see|find|found|could find) )?(?:no|not any) (?:[\w-]+ ){{0,4}}{_NOUNS}\b|"
    r"(?:there is |there['’]s |i (?:see|find|found) )?nothing (?:\w+ ){0,3}(?:worth|to (?:remember|extract|list|note))|"
    rf"the (?:text|session|conversation) (?:contains|has|holds|states|does not (?:\w+ )?(?:contain|have|hold)) "
    rf"(?:no|any) (?:[\w-]+ ){{0,4}}{_NOUNS}\b)",
    re.IGNORECASE,
)
_GREETING = re.compile(
    r"(?:sure|certainly|of course|okay|ok|absolutely|understood|got it|great)\W*"
    r"(?:\bhere\b.*|(?:let me|let's|let’s|i will|i'll) [\w ]{1,40}\W*)?$|"
    rf"here (?:are|is|'s) (?:[\w-]+ ){{0,6}}{_NOUNS}\b[^.]{{0,80}}[:.!]?$|"
    rf"(?:the )?(?:following|extracted) (?:[\w-]+ ){{0,4}}{_NOUNS}[^.]{{0,80}}$|"
    rf"these (?:facts|topics|statements) |these are (?:all )?(?:the )?{_NOUNS}|"
    rf"{_NOUNS}\W*$|(?:facts|topics) (?:about|from|in|worth)\b[^.]{{0,60}}$|"
    r"(?:let me know|i hope (?:this|that|it)|that(?:'s| is) all|feel free to|would you like me|"
    r"is there anything else|please let me know|end of (?:list|facts))\b",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"(?:i(?:'|’)?m|i am)? ?(?:very |so |really )?(?:sorry|afraid)\b[^.]{0,40}\b(?:can(?:no|'|’)?t|unable|not able)|"
    r"i(?: |'|’)?(?:can(?:no|'|’)?t|can not|a?m unable to|a?m not able to|won(?:'|’)?t|will not|must decline) "
    r"(?:to )?(?:help|assist|do|comply|provide|fulfil|answer|process|store|write|choose|decide|determine|extract|"
    r"find|identify|list|select|complete|continue|engage|discuss|remember)|"
    r"as an? (?:ai|artificial|language)\b|"
    r"i need more (?:information|context)|could you (?:please )?(?:provide|clarify|share)|please provide",
    re.IGNORECASE,
)
_TAG = re.compile(r"</?[\w-]{1,30}>")
_LABEL = re.compile(rf"{_NOUNS}\s?\d{{0,3}}\s?[:\-–]\s+", re.IGNORECASE)
_BROKEN = re.compile(r"""[\[{]\s*["'{\[]|"[^"\n]{1,2000}",[ \t]*\"""")
"""The start of JSON that is no whole value: cut off, or strings without their brackets."""
_FIELDS = ("fact", "text", "memory", "content", "summary", "topic", "statement", "value")
_QUOTES = ("reference", "quote", "quotes", "evidence", "said", "words")
SHORT = 400
"""Characters up to which an output that begins like a refusal is nothing else."""


def is_refusal(text: str) -> bool:
    """Whether a short output says that the model will not or cannot do what it was asked."""
    start = text.strip()[: SHORT + 1]
    return len(start) <= SHORT and _REFUSAL.match(start) is not None


def read_list(text: str, shown: str = "", cut_off: bool = False) -> list[str]:
    """The items of a list. Numbering, marks, fences, headings, greetings, refusals, words for "none" and operations
    that were not shown are no items. With `cut_off` the last item is unfinished and left out."""
    bare = without_fences(text).strip()
    value = find_json(bare)
    items = _from_json(value)
    if items or (value is not None and bare[0] in "[{"):
        cut_off = False  # a list that is closed is finished
    elif _BROKEN.match(bare):
        items = find_strings(bare) if "[" in bare[:40] or bare[0] == '"' else []
        cut_off = False
    else:
        items = [_read_line(line) for line in bare.splitlines() if line.strip()]
    items = [item.strip() for item in items if item.strip()]
    kept = items[:-1] if cut_off else items
    return [item for item in kept if not _NONE.match(item) and not holds_operation(item, shown)]


def _read_line(line: str) -> str:
    """The item of a line, "" where it holds none."""
    stripped = line.strip().rstrip(",") if line.strip().endswith('",') else line.strip()
    item = unwrapped(without_marks(stripped))
    if is_heading(stripped) or _is_rule(stripped) or item.endswith((":", "：")):
        return ""
    if _GREETING.match(item) or _REFUSAL.match(item):
        return ""
    return unwrapped(_LABEL.sub("", item, count=1))


def _is_rule(line: str) -> bool:
    """Whether a line has no letter or digit (a rule, a bracket, dots) or is a tag."""
    return not any(character.isalnum() for character in line) or _TAG.fullmatch(line) is not None


def _from_json(value: Any, depth: int = 0) -> list[str]:
    """The texts of a list, or of the lists in an object; of an item that is an object its text and, after a bar,
    the words it quotes."""
    if isinstance(value, str):
        item = " ".join(value.split())
        return [] if _GREETING.match(item) or _REFUSAL.match(item) else [item]
    if depth > 3:
        return []
    if isinstance(value, list):
        return [text for item in value for text in _from_json(item, depth + 1)]
    if not isinstance(value, dict):
        return []
    said = next((value[name] for name in _FIELDS if isinstance(value.get(name), str)), None)
    if said is None:
        lists = [item for item in value.values() if isinstance(item, (list, dict))]
        return [text for item in lists for text in _from_json(item, depth + 1)]
    quoted = next((value[name] for name in _QUOTES if isinstance(value.get(name), str)), "")
    return [f"{said.strip()} | {quoted.strip()}" if quoted.strip() else said.strip()]
