"""Texts of models and users made harmless for HTML, code blocks, widgets and Markdown.

Escaped, direction marks and control characters made visible, very long texts cut with a note."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Sequence

from memfactory_core.text import has_unspaced, words
from memfactory_core.trace import words_line
from memfactory_core.types import Evidence

SHOWN_CHARACTERS = 20_000
"""Characters of one text that a page shows; the whole can be downloaded."""
HIDDEN_CLASSES = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Unicode classes without a shape of their own: control, format and direction marks."""
ALLOWED_CHARACTERS = "\n\t\u200c\u200d"
"""Characters of those classes that are shown as they are: the joiners belong to emoji and to
scripts."""
TEMPLATE_CHARACTERS = "{}$`\\"
"""Characters that mean something to Gradio's HTML templates."""

NOT_PLAIN = re.compile(r"[^\w .,;:!?()\n\t-]")
"""Characters that are looked at one by one; letters, digits and these marks are shown as they are."""


def escape_html(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """A text for HTML: verbatim, harmless, at most `limit` characters and a note on the rest."""
    shown = NOT_PLAIN.sub(lambda char: _escape(char[0]), text[:limit])
    if len(text) <= limit:
        return shown
    return f'{shown} <span class="mf-mark">{len(text) - limit:,} more characters</span>'


def _escape(char: str) -> str:
    if char not in ALLOWED_CHARACTERS and unicodedata.category(char) in HIDDEN_CLASSES:
        return f'<span class="mf-mark">U+{ord(char):04X}</span>'
    return f"&#{ord(char)};" if char in TEMPLATE_CHARACTERS else html.escape(char)


def show_text(value: str, empty: str = "empty") -> str:
    """A text in its own isolated run; an empty one is said in words."""
    if not value:
        return f'<span class="mf-muted">{html.escape(empty)}</span>'
    return f'<bdi class="mf-text">{escape_html(value)}</bdi>'


def mark_needed(value: str, needed: Sequence[Evidence]) -> str:
    """A text with the needed facts marked."""
    return f'<bdi class="mf-text">{_mark(value, needed)}</bdi>'


def _mark(value: str, needed: Sequence[Evidence]) -> str:
    value, rest = value[:SHOWN_CHARACTERS], len(value) - SHOWN_CHARACTERS
    pieces, position = [], 0
    for start, end in _find_needed(value, needed):
        pieces.append(escape_html(value[position:start]))
        pieces.append(f'<mark class="mf-needed">{escape_html(value[start:end])}</mark>')
        position = end
    pieces.append(escape_html(value[position:]))
    if rest > 0:
        pieces.append(f' <span class="mf-mark">{rest:,} more characters</span>')
    return "".join(pieces)


def _find_needed(value: str, needed: Sequence[Evidence]) -> list[tuple[int, int]]:
    places: list[tuple[int, int]] = []
    line = words_line(value)
    for text in (text for item in needed for text in item.wordings):
        # a search of cached words first: the place is looked for where there is one
        if words_line(text) not in line:
            continue
        unspaced = has_unspaced(text)  # there words stand side by side
        pattern = (r"\W*" if unspaced else r"\W+").join(map(re.escape, words(text)))
        whole = pattern if unspaced else rf"(?<!\w){pattern}(?!\w)[.!?]?"
        found = re.search(whole, value, re.IGNORECASE) if pattern else None
        if found:
            places.append(found.span())
    places.sort()
    return [p for i, p in enumerate(places) if i == 0 or p[0] >= places[i - 1][1]]


def reveal_hidden(value: str, limit: int = SHOWN_CHARACTERS) -> str:
    """A text for a block of code, as it is: hidden characters made visible, the rest cut with a
    note."""
    rest = f"\n… {len(value) - limit:,} more characters" if len(value) > limit else ""
    return "".join(map(_reveal, value[:limit])) + rest


def one_line(value: str, limit: int = 80) -> str:
    """A text on one line for a widget that shows it as it is: hidden characters made visible."""
    shown = " ".join(value[: 4 * limit].split())
    shown = shown if len(shown) <= limit else f"{shown[: limit - 1]}…"
    return "".join(map(_reveal, shown))


WORD_JOINER = "\u2060"
"""A character without a shape: what stands around it is no address any more."""
ADDRESSES = re.compile(r"(?=://)|(?<=\bwww)(?=\.)|(?<=\w)(?=@)", re.IGNORECASE)
"""Where an address of the web or of the mail is parted. Markdown makes a link of a bare one, escaped or not."""


def escape_markdown(value: str, limit: int = 200) -> str:
    """A text for Streamlit's markdown, its special characters escaped and its addresses no links, on one line."""
    parted = ADDRESSES.sub(WORD_JOINER, one_line(value, limit))
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>~$:&])", r"\\\1", parted)


def show_tags(tags: Iterable[str]) -> str:
    """A run's tags as badges in Streamlit's markdown; their text means nothing to it."""
    return " ".join(f":gray-badge[{escape_markdown(tag, 80)}]" for tag in tags)


def _reveal(char: str) -> str:
    hidden = char not in ALLOWED_CHARACTERS and unicodedata.category(char) in HIDDEN_CLASSES
    return f"U+{ord(char):04X}" if hidden else char
