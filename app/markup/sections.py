"""Cards of an episode's sections: what was read beside what was done to the memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

from app.markup.differences import show_write
from app.markup.labels import ACTIONS, invention_tags, tag
from app.markup.safe_text import mark_needed
from memfactory_core.explain.story import Section
from memfactory_core.types import Example

UNLIMITED_BUDGET = 100_000
"""Characters from which a budget is no limit worth showing."""
FACT_LABELS = {
    "unread": ("·", "not read yet", ""),
    "kept": ("✓", "in memory", "good"),
    "missed": ("✕", "read here, not written", "bad"),
    "lost": ("✕", "lost here", "bad"),
    "gone": ("✕", "not in memory", "bad"),
}


def section_card(
    section: Section,
    total: int,
    example: Example,
    budget: int | None = None,
    mark: Callable[[str], str] | None = None,
) -> str:
    """One section: what was read beside what was done to the memory. `mark` marks the needed facts in a text."""
    mark = mark or partial(mark_needed, needed=example.needed)
    tags = []
    for event in section.writes:
        invented = invention_tags(section.inventions.get(event.seq))
        tags += [tag(event.action, *ACTIONS[event.action]), *invented]
    tags = list(dict.fromkeys(tags))
    several = len(section.standings) > 1
    for i, standing in enumerate(section.standings):
        sign, label, name = FACT_LABELS[standing]
        which = f"needed fact {i + 1}" if several else "needed fact"
        if not (several and standing == "unread"):
            tags.append(tag(name, sign, f"{which} {label}"))
    room = _describe_size(section, budget)
    writes = "".join(
        show_write(event, example.needed, section.inventions.get(event.seq))
        for event in section.writes
    )
    quiet = '<span class="mf-muted">Nothing was written.</span>'
    return (
        f'<section class="mf-card" aria-label="Section {section.index + 1}">'
        f'<div class="mf-head"><h4>Section {section.index + 1} of {total}</h4>{"".join(tags)}</div>'
        f'<div class="mf-pair"><div><div class="mf-label">Read</div>'
        f"{mark(section.text)}"
        f'</div><div><div class="mf-label">Memory · {room}</div>{writes or quiet}</div></div>'
        f"{_memory_after(section, mark)}</section>"
    )


def _describe_size(section: Section, budget: int | None) -> str:
    """How full the memory is: of a small budget the share, else the number of entries."""
    held, count = sum(len(memory.text) for memory in section.after), len(section.after)
    if budget and budget < UNLIMITED_BUDGET:
        return f"{held:,} of {budget:,} characters"
    return f"{count:,} {'entry' if count == 1 else 'entries'}, {held:,} characters"


def _memory_after(section: Section, mark: Callable[[str], str]) -> str:
    last = section.writes[-1].action if section.writes else None
    whole = len(section.after) == 1 and len(section.writes) == 1 and last in ("add", "update")
    if whole or not section.after:
        return ""  # the change has shown the whole memory, or there is none
    items = "".join(f"<li>{mark(memory.text)}</li>" for memory in section.after[:200])
    one = len(section.after) == 1
    body = mark(section.after[0].text) if one else f'<ol class="mf-list">{items}</ol>'
    return f'<div style="margin-top:10px"><div class="mf-label">Memory afterwards</div>{body}</div>'


def section_cards(example: Example, sections: Sequence[Section], budget: int | None = None) -> str:
    """The sections given, one card each."""
    total = len(example.observations)
    # one bank after the other holds the same memories: each text is marked once
    mark = cache(partial(mark_needed, needed=example.needed))
    cards = [section_card(section, total, example, budget, mark) for section in sections]
    return f'<div class="mf">{"".join(cards)}</div>'
