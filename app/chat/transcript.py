"""The page's two halves as HTML: the talk, or two side by side, and the bank."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from app.chat.talks import LiveTalk
from app.markup.bank_panel import bank_html
from app.markup.labels import tag
from app.markup.safe_text import escape_html
from app.markup.sections import UNLIMITED_BUDGET
from app.markup.talk import entry_html, said_html
from memfactory_core.talk.entry import Entry
from memfactory_core.talk.talk import Talk

SHOWN_ACTS = 30
"""Messages that are shown; what was before them is in the debugger."""
WELCOME = (
    '<div class="mf"><div class="mf-empty"><strong>Tell the agent something, then ask.</strong><br>It decides what to '
    "remember; you see each operation as it happens, and the bank beside the talk. Answers come from the bank alone. "
    "A document (txt, md, pdf) can be dropped here."
    "</div></div>"
)


def render_talk(live: LiveTalk | None, working: bool = False, message: str = "") -> str:
    """The talk, the newest message last; `working` says that its last act goes on, `message` is one that is not
    read yet."""
    if live is None or not (live.acts or message):
        return WELCOME
    talk, other = live.talk, live.other
    shown = live.acts[-SHOWN_ACTS:]
    earlier = len(live.acts) - len(shown)
    parts = (
        [f'<p class="mf mf-muted">{earlier} earlier messages are in the debugger.</p>']
        if earlier
        else []
    )
    for place, (mine, theirs) in enumerate(shown, 1):
        busy = working and place == len(shown)
        left = _entries(talk, mine, busy and not theirs)
        if other is not None and theirs:
            right = _entries(other, theirs, busy)
            parts.append(f'<div class="mf mf-sides"><div>{left}</div><div>{right}</div></div>')
        elif other is not None and busy:
            parts.append(f'<div class="mf mf-sides"><div>{left}</div><div></div></div>')
        else:
            parts.append(left)
    if message:
        parts.append(f'<div class="mf mf-turn">{said_html("You", message)}</div>')
    links = [_debugger(talk, " after training" if other else "")]
    links += [_debugger(other, " before training")] if other else []
    return "".join(parts) + ("" if working or message else "".join(links))


def _entries(talk: Talk, entries: Sequence[Entry], working: bool) -> str:
    events = talk.context.events
    return "".join(
        entry_html(entry, events, talk.label, working and entry is entries[-1]) for entry in entries
    )


def _debugger(talk: Talk, which: str) -> str:
    if not talk.context.events:
        return ""
    place = urlencode({"source": "chat", "chat": talk.id})
    return (
        f'<p class="mf mf-open"><a href="/memory?{place}" target="_blank" rel="noopener">Look into this memory'
        f'{escape_html(which, 120)} <span class="mf-muted">(a new tab)</span></a></p>'
    )


def render_bank(live: LiveTalk | None) -> str:
    """The bank, and that of the copy below it."""
    if live is None:
        return ""
    talk, other = live.talk, live.other
    if other is None:
        return bank_html("Bank", talk.memories, talk.entries, describe_room(talk))
    return bank_html(
        "Bank after training", talk.memories, talk.entries, describe_room(talk)
    ) + bank_html(
        "Bank before training", other.memories, other.entries, describe_room(other), can_act=False
    )


def describe_room(talk: Talk) -> str:
    """How full the bank is, against what the agent's store allows."""
    store, memories = talk.config.paradigm.store, talk.memories
    size, budget = sum(len(m.text) for m in memories), getattr(store, "budget", UNLIMITED_BUDGET)
    if budget < UNLIMITED_BUDGET:
        return f"{size:,} of {budget:,} characters"
    capacity = getattr(store, "capacity", UNLIMITED_BUDGET)
    limit = f" of {capacity:,}" if capacity < UNLIMITED_BUDGET else ""
    return f"{len(memories):,}{limit} memor{'y' if len(memories) == 1 and not limit else 'ies'}, {size:,} characters"


def show_problem(message: str) -> str:
    """A note on what went wrong, as a card."""
    label = tag("reject", "!", "Note")
    return f'<div class="mf mf-card" role="alert">{label} {escape_html(message)}</div>'
