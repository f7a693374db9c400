"""The words of memory operations, and the guard that no text with an operation in it becomes a memory."""

from __future__ import annotations

import re

ADD, UPDATE, DELETE, NOOP, MERGE = "ADD", "UPDATE", "DELETE", "NOOP", "MERGE"
UNKNOWN = "not one of ADD, UPDATE, DELETE, NOOP"
UNKNOWN_MERGE = "not one of ADD, MERGE"
HELD = "an operation in the text of a memory"
SYNONYMS = {
    ADD: ("add", "insert", "create", "new", "store", "append", "save"),
    UPDATE: ("update", "modify", "replace", "change", "edit", "upsert"),
    DELETE: ("delete", "remove", "forget", "del", "drop"),
    NOOP: ("noop", "none", "nothing", "skip", "ignore", "keep", "nochange", "nooperation", "null"),
    MERGE: ("merge", "combine"),
}
"""How models name the operations in fields that hold nothing else; spaces, - and _ are left out."""
_BY_NAME = {name: verb for verb, names in SYNONYMS.items() for name in names}
_HELD = re.compile(r"\b(?:ADD|UPDATE|DELETE|NOOP|NO-OP|MERGE)\b")
_LINE = re.compile(
    r"(?:^|\n)[ \t>*\-`\"']{0,8}(add|update|delete|merge)\b(?=[ \t]{0,4}[:(#]|[^\n]{0,400}#\w)|"
    r"(?:^|\n)[ \t>*\-`\"']{0,8}(no-?op)\b|"
    r"[\"'](?:operation|op|event|action)[\"'][ \t]{0,4}:",
    re.IGNORECASE,
)


def name_operation(name: object) -> str | None:
    """The operation that a field's value names, or None."""
    if not isinstance(name, str) or len(name) > 40:
        return None
    bare = re.sub(r"[\W_]", "", name).lower()
    return _BY_NAME.get(bare) or _BY_NAME.get(re.sub(r"(?:memory|fact|entry|operation)$", "", bare))


def holds_operation(text: str, shown: str = "") -> bool:
    """Whether a text that shall be stored has an operation in it: one of their words in capitals, a line that begins
    like one, or a field that names one. Words that were shown to the policy are content: a fact may speak of ADD."""
    words = {found[0] for found in _HELD.finditer(text)}
    if words and not words <= {found[0] for found in _HELD.finditer(shown)}:
        return True
    return _LINE.search(text) is not None and _LINE.search(shown) is None
