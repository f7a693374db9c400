"""The bank beside a talk: every memory with its id, text and age, and what can be done with it."""

from __future__ import annotations

from collections.abc import Sequence

from app.markup.labels import tag
from app.markup.safe_text import escape_html, show_text
from memfactory_core.talk.entry import Entry
from memfactory_core.types import Memory

SHOWN_MEMORIES = 200


def bank_html(
    title: str,
    memories: Sequence[Memory],
    entries: Sequence[Entry],
    room: str,
    can_act: bool = True,
) -> str:
    """The bank as a list; `room` says how full it is. With `can_act` each memory has buttons, whose `data-act` and
    `data-id` say what was pressed."""
    items = "".join(
        _item(memory, _age(memory, entries), can_act) for memory in memories[-SHOWN_MEMORIES:]
    )
    hidden = len(memories) - SHOWN_MEMORIES
    more = f'<div class="mf-muted">The {hidden:,} oldest are not shown.</div>' if hidden > 0 else ""
    body = (
        f'<ul class="mf-bank">{items}</ul>'
        if items
        else '<div class="mf-empty">The bank is empty: tell the agent something.</div>'
    )
    return (
        f'<section class="mf" aria-label="{escape_html(title, 120)}"><div class="mf-head"><h4>{escape_html(title, 120)}'
        f'</h4><span class="mf-small mf-muted">{escape_html(room, 120)}</span></div>{more}{body}</section>'
    )


def _item(memory: Memory, age: str, can_act: bool) -> str:
    pinned = f"{tag('good', '◆', 'pinned')} " if memory.pinned else ""
    name = escape_html(memory.id, 40)
    acts = (
        ("edit", "Edit"),
        ("unpin", "Unpin") if memory.pinned else ("pin", "Pin"),
        ("delete", "Delete"),
    )
    buttons = "".join(
        f'<button type="button" data-act="{act}" data-id="{name}" aria-label="{label} memory {name}">{label}</button>'
        for act, label in acts
    )
    shown = f'<span class="mf-acts">{buttons}</span>' if can_act else ""
    told = f'<span class="mf-muted">#{name} · {age}</span>'
    return f'<li><div class="mf-small">{told}{shown}</div>{pinned}{show_text(memory.text)}</li>'


def _age(memory: Memory, entries: Sequence[Entry]) -> str:
    """How many messages ago it was written last."""
    places = [
        place for place, entry in enumerate(entries) if entry.first <= memory.updated < entry.end
    ]
    if not places:
        return "from before"
    entry = entries[places[0]]
    later = sum(one.kind in ("told", "asked", "document") for one in entries[places[0] + 1 :])
    if entry.kind == "bank":
        return "from before this talk"
    hand = " by hand" if entry.kind == "hand" else ""
    return (
        f"just now{hand}" if later == 0 else f"{later} message{'s' if later > 1 else ''} ago{hand}"
    )
