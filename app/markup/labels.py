"""Small labels and figures: sign and word for operations, causes and needed facts."""

from __future__ import annotations

import html
from collections.abc import Mapping

from memfactory_core.explain.causes import CAUSES
from memfactory_core.explain.inventions import Invention

ACTIONS = {
    "add": ("+", "Add"),
    "update": ("✎", "Update"),
    "delete": ("−", "Delete"),
    "noop": ("○", "No change"),
    "reject": ("⊘", "Rejected"),
}


def tag(name: str, sign: str, label: str) -> str:
    """A small label: sign and word, colour by class."""
    shown = f'<span aria-hidden="true">{sign}</span>{html.escape(label)}'
    return f'<span class="mf-tag {name}">{shown}</span>'


def invention_tags(invention: Invention | None) -> list[str]:
    """What a write says that nobody has stated, as tags beside that of its operation."""
    if invention is None:
        return []
    made_up = [tag("bad", CAUSE_SIGNS["invented"], "invented")] if invention.invented else []
    slipped = [tag("bad", CAUSE_SIGNS["altered"], "altered")] if invention.altered else []
    return made_up + slipped


def figures_row(values: Mapping[str, str]) -> str:
    """A row of small figures with their names."""
    items = (
        f'<div><span class="mf-label">{html.escape(name)}</span><b>{html.escape(value)}</b></div>'
        for name, value in values.items()
    )
    return f'<div class="mf mf-facts">{"".join(items)}</div>'


CAUSE_SIGNS = {
    "failed": "!", "never_extracted": "∅", "not_written": "∅", "no_room": "▣", "malformed": "⊘",
    "altered": "≈", "invented": "✱", "stale": "⟲",
    "overwritten": "✎", "merged_away": "⇉", "deleted": "−", "not_looked": "⊝",
    "not_retrieved": "⌕",
    "not_used": "…", "reader_error": "≠", "cannot_tell": "?",
}  # fmt: skip


def cause_tag(cause: str) -> str:
    """A cause as sign and word."""
    return tag("bad", CAUSE_SIGNS.get(cause, "?"), cause.replace("_", " "))


def cause_line(cause: str, count: int | None = None) -> str:
    """A cause with what it means, and how often it came."""
    often = "" if count is None else f" <b>{count:,}</b>"
    meaning = html.escape(CAUSES.get(cause, ""))
    return f'<div class="mf mf-cause">{cause_tag(cause)}{often} <span>{meaning}</span></div>'
