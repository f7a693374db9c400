"""Answers that name the memories they rest on, as chat models write them: a line of ids and the answer, fields of
JSON, or ids in brackets behind what was answered."""

from __future__ import annotations

import json
import re

from memfactory_core.dialects.markdown import without_fences, without_marks
from memfactory_core.dialects.objects import find_json

_NAMES = (
    r"(?:the )?(?:selected |relevant |used |cited |supporting |useful |chosen )?"
    r"(?:memor(?:y|ies)(?: ids?| used| selected)?|ids?|citations?|sources?|evidence|references?)"
)
_CITED = re.compile(rf"{_NAMES}\s{{0,3}}[:=]\s*", re.IGNORECASE)
_ANSWER = re.compile(r"(?:the |my |final )*answer(?: is)?\s{0,3}[:=]\s*", re.IGNORECASE)
ANSWER_LABEL = re.compile(
    r"\s{0,9}[*_#]{0,3}\s?(?:final )?answer\s?[*_]{0,2}:[*_]{0,2}\s", re.IGNORECASE
)
"""`Answer:` before an answer, as the prompt ends."""
_FIELDS = (
    "memories",
    "memory",
    "ids",
    "memory_ids",
    "citations",
    "cited",
    "sources",
    "evidence",
    "selected",
)
_INLINE = re.compile(r"\[\s{0,3}#?\d{1,6}(?:\s{0,3},\s{0,3}#?\d{1,6}){0,30}\s{0,3}\]|(?<![\w#])#\d{1,6}\b")  # fmt: skip


def split_citations(text: str) -> tuple[str | None, str]:
    """(what names the memories, the answer) of an output; None where nothing names any."""
    bare = without_fences(text).strip()
    value = find_json(bare)
    if isinstance(value, dict):
        fields = {str(name).strip().lower(): inner for name, inner in value.items()}
        named = next((fields[name] for name in _FIELDS if name in fields), None)
        answer = fields.get("answer", fields.get("final_answer"))
        if answer is not None:
            said = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
            return (None if named is None else json.dumps(named, ensure_ascii=False)), said
    return _split_lines(bare)


def _split_lines(text: str) -> tuple[str | None, str]:
    named: list[str] | None = None
    answer: list[str] = []
    inside = False
    for line in text.splitlines():
        bare = without_marks(line)
        cited, answered = _CITED.match(bare), _ANSWER.match(bare)
        if cited and named is None:
            named, inside = [bare[cited.end() :]], True
        elif answered or "\\boxed" in line:
            inside = False
            # what stood before the label was said about the answer
            answer = [bare[answered.end() :]] if answered else [*answer, line]
        elif inside and bare and named is not None:
            named.append(bare)
        else:
            inside = inside and not (bare == "" and any(part.strip() for part in named or ()))
            answer.append(line)
    said = "\n".join(answer).strip()
    if named is not None:
        return "\n".join(named).strip(), said
    inline = [found[0] for found in _INLINE.finditer(text)]
    if not inline:
        return None, text.strip()
    numbers = re.findall(r"\d+", " ".join(inline))
    return ", ".join(f"#{number}" for number in numbers), _INLINE.sub("", said).strip()
