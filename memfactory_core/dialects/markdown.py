"""Markdown and quotation marks around what a model says, taken off line by line."""

from __future__ import annotations

import re

_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[\w+-]*[ \t]*$", re.MULTILINE)
_INLINE_FENCE = re.compile(r"```(?:json|text|plaintext|markdown)?[ \t]*|~~~")
_TAG = re.compile(
    r"</?(?:answer|output|operation|action|response|result|text|tool_call|function_call|json)>",
    re.IGNORECASE,
)
_ITEM = re.compile(
    r"(?:[-*+•–—▪‣◦·●]+\s+|[•▪‣◦●]|-(?=[^\W\d])|\(?\d{1,3}[.):](?:\s+|(?=[^\W\d]))|[①-⑳]\s*|\(\d{1,3}\)|\[\d{1,3}\]\s+|"
    r"\(?[a-z][.)]\s+|\d️⃣\s*|>\s*|\[[ xX]\]\s+)"
)
_HEADING = re.compile(r"#{1,6}[ \t]+")
PAIRS = (
    ("```", "```"), ("**", "**"), ("__", "__"), ("`", "`"), ('"', '"'), ("“", "”"), ("'", "'"), ("‘", "’"),
    ("«", "»"), ("「", "」"), ("<", ">"), ("[", "]"), ("{", "}"), ("*", "*"), ("_", "_"),
)  # fmt: skip


def without_fences(text: str) -> str:
    """The text without the fences of code blocks and the tags of answers; their content stays."""
    return _TAG.sub("\n", _INLINE_FENCE.sub("", _FENCE.sub("", text)))


def without_marks(line: str) -> str:
    """A line without the marks of headings, lists, numbering and bold face."""
    line = _HEADING.sub("", line.strip(), count=1)
    for _ in range(3):  # "- 1. **x**" has several
        bare = line.removeprefix("**") if line.startswith("**") and "**" not in line[2:] else line
        found = _ITEM.match(bare)
        if not found:
            break
        line = bare[found.end() :].strip()
    return line.replace("**", "").strip()


def is_heading(line: str) -> bool:
    """Whether a line is a heading by its marks: `# Facts`, or bold face with a colon at the end."""
    return _HEADING.match(line.strip()) is not None


def unwrapped(text: str) -> str:
    """A text without the quotation marks, backticks or brackets that enclose it whole."""
    text = text.strip()
    for _ in range(4):
        for left, right in PAIRS:
            inner = text[len(left) : len(text) - len(right)]
            whole = len(text) > len(left) + len(right) and text.startswith(left)
            if whole and text.endswith(right) and left not in inner and right not in inner:
                text = inner.strip()
                break
        else:
            break
    return text
