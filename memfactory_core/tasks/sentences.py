"""Cuts text into sentences by rule: in English, abbreviations, initials and leading numbers end none; the full stops
of Chinese, Japanese, Hindi, Burmese and Khmer always end one."""

from __future__ import annotations

import re

_UNSPACED = (
    r"""[\u3002\uff01\uff1f\uff61\u0964\u104b\u17d4]++["')\]\u2019\u201d\u300d\u300f\uff09]*+"""
)
_END = re.compile(rf"""(?<![.!?])[.!?]++["')\]\u2019\u201d]*+(?=\s|$)|{_UNSPACED}|\n""")
"""A run of marks is looked at from its first mark only, and is not given back piece by piece."""
_SPACES = re.compile(r"\s+")
_ABBREVIATIONS = frozenset(
    "approx apr aug ave bros ca capt cf col corp dec dept dr est etc ex feat feb fr ft gen gov inc "
    "jr lt ltd maj mr mrs ms mt mts nov oct prof pt rep rev sep sept sgt sr st ste univ vs".split()
)
_NUMBERED = frozenset("art fig jan mar no nos op p pp sen vol".split())
"""Abbreviations only where a number follows; they are words too."""


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, stripped; the mark that ends a sentence stays with it. A point ends
    none after an abbreviation, an initial or a leading number (`St. Louis`, `J. Kaiser`, `12. The
    ...`)."""
    sentences, start, first = [], 0, skip_spaces(text, 0)
    for end in _END.finditer(text):
        if end[0] == "\n" or _ends_sentence(text, first, end):
            sentences.append(text[start : end.end()].strip())
            start = end.end()
            first = skip_spaces(text, start) if first < start else first
    sentences.append(text[start:].strip())
    return [sentence for sentence in sentences if sentence]


def skip_spaces(text: str, start: int) -> int:
    """The first place from `start` on that is no white space; the text's length where there is none."""
    found = _SPACES.match(text, start)
    return found.end() if found else start


def _ends_sentence(text: str, first: int, end: re.Match[str]) -> bool:
    """Whether the mark at `end` ends the sentence whose first word begins at `first`. Only the word before the mark is
    looked at: a text of abbreviations is one sentence of any length."""
    following = text[end.end() : end.end() + 2].strip()[:1]
    if end[0] != ".":
        return not following.islower()
    stop = end.start()
    while stop > first and text[stop - 1].isspace():
        stop -= 1
    begin = stop
    while begin > first and not text[begin - 1].isspace():
        begin -= 1
    last = text[begin:stop].strip("\"'([\u201c\u2018")
    initial = len(last) == 1 and last.isalpha() and last != "I"
    dotted = "." in last and all(len(part) <= 2 and not part.isdigit() for part in last.split("."))
    enumerator = begin <= first and last.isdigit()
    known = last.lower() in _ABBREVIATIONS or (following.isdigit() and last.lower() in _NUMBERED)
    return not (initial or dotted or enumerator or known)
