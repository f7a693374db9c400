"""Cards of a bank, of the needed facts at a moment, and of final banks side by side."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from app.markup.differences import strike_out
from app.markup.labels import ACTIONS, tag
from app.markup.safe_text import mark_needed, show_text
from memfactory_core.explain import moments
from memfactory_core.explain.attempts import Row
from memfactory_core.types import Evidence, Memory

NEED_LOOKS = {
    "untold": ("·", ""), "present": ("✓", "good"), "used": ("✓", "good"),
    "never_stored": ("∅", "bad"), "overwritten": ("✎", "bad"), "merged_away": ("⇉", "bad"),
    "deleted": ("−", "bad"), "not_looked": ("⊝", "bad"),
    "not_retrieved": ("⌕", "bad"), "not_used": ("…", "bad"),
    "reader_error": ("≠", "bad"),
}  # fmt: skip
SHOWN_ENTRIES = 200
"""Entries of a bank, or of aligned banks, that are shown."""


def bank_card(
    bank: Mapping[str, Memory], before: Mapping[str, Memory], needed: Sequence[Evidence]
) -> str:
    """The bank at one moment; what the moment changed carries its word."""
    items = []
    for memory in list(bank.values())[:SHOWN_ENTRIES]:
        old = before.get(memory.id)
        new = "add" if old is None else "update" if old.text != memory.text else ""
        label = tag(new, *ACTIONS[new]) if new else ""
        items.append(f"<li>{label} {mark_needed(memory.text, needed)}</li>")
    gone = [memory for memory in before.values() if memory.id not in bank]
    items += [
        f"<li>{tag('delete', *ACTIONS['delete'])} {strike_out(mark_needed(memory.text, needed))}</li>"
        for memory in gone[:SHOWN_ENTRIES]
    ]
    size = sum(len(memory.text) for memory in bank.values())
    count = f"{len(bank):,} {'entry' if len(bank) == 1 else 'entries'}, {size:,} characters"
    body = (
        f'<ul class="mf-list">{"".join(items)}</ul>'
        if items
        else show_text("", "The memory is empty.")
    )
    return _framed(f"Memory at this moment · {count}", body)


def needed_card(facts: Sequence[tuple[Evidence, str, int | None]]) -> str:
    """What had become of each needed fact at one moment."""
    if not facts:
        quiet = '<span class="mf-muted">This task does not say what was needed.</span>'
        return _framed("Needed facts", quiet)
    items = "".join(
        f'<div class="mf-part">{tag(NEED_LOOKS[state][1], NEED_LOOKS[state][0], moments.STATES[state])}'
        f"<div>{show_text(item.text)}</div></div>"
        for item, state, _ in facts
    )
    return _framed("Needed facts at this moment", items)


def _framed(label: str, body: str) -> str:
    return (
        f'<section class="mf mf-card" aria-label="{html.escape(label)}">'
        f'<div class="mf-label">{html.escape(label)}</div>{body}</section>'
    )


def banks_table(rows: Sequence[Row], size: int, needed: Sequence[Evidence], first: int = 1) -> str:
    """Final banks aligned: one row for each memory text, one column for each attempt, numbered from
    `first`."""
    if not rows:
        return '<div class="mf mf-muted">Every attempt ended with an empty memory.</div>'
    head = "".join(f"<th>{number}</th>" for number in range(first, first + size))
    body = "".join(
        f"<tr><td>{mark_needed(row.text, needed)}</td>"
        + "".join(
            '<td class="mf-in">✓</td>' if place in row.attempts else '<td class="mf-muted">–</td>'
            for place in range(size)
        )
        + f"<td>{len(row.attempts)} of {size}</td></tr>"
        for row in rows[:SHOWN_ENTRIES]
    )
    more = len(rows) - SHOWN_ENTRIES
    rest = f'<div class="mf-muted">{more:,} more memories</div>' if more > 0 else ""
    return (
        '<div class="mf mf-wide" role="group" aria-label="Memories at the end">'
        f'<table class="mf-table mf-banks"><thead><tr><th>Memory</th>{head}'
        f"<th>In</th></tr></thead><tbody>{body}</tbody></table>{rest}</div>"
    )
