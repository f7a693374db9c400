"""Cuts long texts into the sections that an agent reads one after the other."""

from __future__ import annotations

import re
from collections.abc import Iterable

from memfactory_core.tasks.sentences import skip_spaces

_PARAGRAPH = re.compile(r"\n\s*\n")
_STOP = re.compile("[\u3002\uff01\uff1f\uff61\u0964\u104b\u17d4]+")


def pack(pieces: Iterable[str], size: int, joint: str = "\n") -> list[str]:
    """The pieces, whole and in order, as many in each section as fit into `size` characters; a
    piece that is longer alone is a section of its own."""
    sections: list[list[str]] = []
    length = 0
    for piece in pieces:
        if sections and length + len(joint) + len(piece) <= size:
            sections[-1].append(piece)
            length += len(joint) + len(piece)
        else:
            sections.append([piece])
            length = len(piece)
    return [joint.join(section) for section in sections]


def cut(text: str, size: int) -> list[str]:
    """The text in sections of at most `size` characters, cut between paragraphs where that is
    possible, else between lines, else at white space, else behind a full stop of a script without spaces."""
    text = text.strip()
    if len(text) <= size:
        return [text] if text else []
    for joint, pieces in (("\n\n", _PARAGRAPH.split(text)), ("\n", text.split("\n"))):
        pieces = [piece.strip() for piece in pieces if piece.strip()]
        if len(pieces) > 1:
            return [
                part
                for section in pack(pieces, size, joint)
                for part in (cut(section, size) if len(section) > size else [section])
            ]
    sections, start = [], 0
    while len(text) - start > size:
        at = text.rfind(" ", start + 1, start + size + 1)
        if at < 0:
            ends = [end.end() for end in _STOP.finditer(text, start, start + size)]
            at = ends[-1] if ends else start + size
        sections.append(text[start:at].rstrip())
        # by places, not by cutting the rest off: a line of 40 MB would be copied for each section
        start = skip_spaces(text, at)
    return [*sections, text[start:]] if start < len(text) else sections
