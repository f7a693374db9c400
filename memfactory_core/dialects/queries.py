"""What chat models say when they are asked what to search for, or for the key of a memory: a few words, with labels,
greetings, quotation marks, JSON and explanations around them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from memfactory_core.dialects.listing import is_refusal
from memfactory_core.dialects.markdown import unwrapped, without_fences, without_marks
from memfactory_core.dialects.objects import find_json
from memfactory_core.dialects.operations import HELD, holds_operation

LONGEST = 300
"""Characters up to which a line is a query or a key; a longer one is an explanation."""
_NOUN = r"(?:search(?: (?:query|terms?|words?|for))?|query|queries|key ?words?|keys?|index(?: (?:key|text))?)"
_LABEL = re.compile(rf"(?:the |my |your )?{_NOUN}(?: is| are)?\s{{0,3}}[:=]\s*", re.IGNORECASE)
_WISH = re.compile(
    r"(?:i(?: would|'d|’d| will|'ll|’ll| should| want to| need to)? )?"
    r"(?:search|look)(?: (?:my |the )?memory)? for:?\s+",
    re.IGNORECASE,
)
_VERB = re.compile(r"(?:SEARCH|LOOK ?UP)\s+|(?:search|look ?up)\(", re.IGNORECASE)
_NONE = re.compile(
    r"\W*(?:none|no|nothing|null|n/?a|skip|noop|empty|false|"
    r"(?:there is )?no (?:need (?:to|for a?)\b.*|(?:search|query|look ?up|memory)\b.*)|"
    r"(?:a )?(?:search|query|look ?up) is (?:not|un)\s?(?:needed|necessary|required).*|"
    r"nothing to (?:search|look).*|(?:i )?(?:do not|don['’]t) need .*|not (?:needed|necessary).*)\W*",
    re.IGNORECASE,
)
_PREAMBLE = re.compile(
    r"(?:sure|certainly|of course|okay|ok|absolutely|great|understood)\b\W*(?:here\b.*)?$|here (?:is|are|'s|’s) .*",
    re.IGNORECASE,
)
_EXPLAINS = re.compile(
    r"(?:explanation|reason(?:ing)?|note|because|this (?:query|search|key))\b", re.IGNORECASE
)
_FIELDS = ("query", "search", "search_query", "key", "keywords", "keys", "text", "terms")


def read_query(text: str, question: str = "") -> tuple[str, str]:
    """What to search for, "" for nothing; and what is wrong. The question itself is a query like another."""
    said, wrong = _read(text)
    if wrong:
        return "", wrong
    first = said[0]
    if first != question.strip() and _NONE.fullmatch(first):
        return "", ""
    return _bounded(first, "query")


def read_key(text: str, shown: str = "") -> tuple[str, str]:
    """The key; several lines or items are its parts. `shown` is the memory that it is for."""
    said, wrong = _read(text)
    if wrong:
        return "", wrong
    key = ", ".join(said)
    if _NONE.fullmatch(key) and key != shown.strip():
        return "", "no key was written"
    if holds_operation(key, shown):
        return "", HELD
    return _bounded(key, "key")


def _bounded(text: str, what: str) -> tuple[str, str]:
    if len(text) > LONGEST:
        return "", f"the {what} has {len(text)} characters, {LONGEST} are allowed"
    return text, ""


def _read(text: str) -> tuple[list[str], str]:
    """The items of an output, at least one; or what is wrong."""
    bare = without_fences(text).strip()
    if not bare:
        return [], "nothing was said"
    if is_refusal(bare):
        return [], "a refusal"
    value = find_json(bare)
    if value is not None:
        items = [item.strip() for item in _of_json(value)]
        return ([item for item in items if item] or ["NONE"]), ""
    lines = [line for line in bare.splitlines() if line.strip()]
    items = []
    for line in lines:
        item = unwrapped(without_marks(line))
        labelled = _LABEL.match(item)
        item = unwrapped(item[labelled.end() :]) if labelled else item
        if _EXPLAINS.match(item):
            break
        if not item or (not labelled and (_PREAMBLE.match(item) or item.endswith(":"))):
            continue
        if labelled and items:
            items = []  # what stood before a label was said about it
        items.append(_without_verb(item))
    return (items, "") if items else ([], "nothing was said")


def _without_verb(item: str) -> str:
    wish = _WISH.match(item) or _VERB.match(item)
    rest = item[wish.end() :] if wish else item
    if wish and wish[0].endswith("(") and rest.endswith(")"):
        rest = rest[:-1]
    return unwrapped(rest) or item


def _of_json(value: object, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and depth < 3:
        for item in value[:20]:
            yield from _of_json(item, depth + 1)
    elif isinstance(value, dict) and depth < 3:
        fields = {str(name).lower(): inner for name, inner in value.items()}
        named = next((fields[name] for name in _FIELDS if name in fields), None)
        if named is None:
            named = next((inner for inner in fields.values() if isinstance(inner, dict)), None)
        yield from _of_json(named, depth + 1)
