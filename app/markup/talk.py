"""A talk as it is shown: what was said, what it did to the memory, what was read for an answer. All text goes through
safe_text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from app.markup.differences import show_write
from app.markup.hits import hits_table
from app.markup.labels import ACTIONS, tag
from app.markup.safe_text import escape_html, show_text
from memfactory_core.talk.entry import Entry
from memfactory_core.trace import Event, Pinned, Recalled, Wrote

SHOWN_WRITES = 6
"""Writes of one entry that are shown at once; the others are folded, so many at most."""
FOLDED_WRITES = 60


def entry_html(entry: Entry, events: Sequence[Event], who: str, working: bool = False) -> str:
    """One entry. `events` are all of the talk, `who` names the agent; `working` says that it is not finished."""
    own = events[entry.first : entry.end]
    parts = [_said(entry)]
    if entry.kind == "asked":
        parts.append(_answer(entry, who, working))
    parts.append(_writes([event for event in own if isinstance(event, Wrote)]))
    parts += [_pin(event) for event in own if isinstance(event, Pinned) and entry.kind == "hand"]
    reads = [event for event in own if isinstance(event, Recalled)]
    parts.append(_reads(reads, "answer" if entry.kind == "asked" else "decide"))
    parts.append(_progress(entry, working))  # below what it led to, where one looks while it grows
    if entry.note:
        parts.append(_note(entry.note))
    return f'<div class="mf mf-turn">{"".join(parts)}</div>'


def _note(note: str) -> str:
    label = tag("", "…", "Note") if note.startswith("waits") else tag("reject", "!", "Note")
    return f'<div class="mf-note" role="alert">{label} {show_text(note)}</div>'


def _said(entry: Entry) -> str:
    if entry.kind in ("told", "asked", "hint"):
        return said_html("You", entry.text)
    if entry.kind == "document":
        return said_html("You gave a document", entry.text)
    words = {
        "hand": f"By hand: {entry.text}",
        "session": "The session has ended: its messages are read together.",
        "bank": f"Opened with the bank {entry.text}".rstrip() + ".",
    }
    return f'<div class="mf-small mf-muted">{show_text(words[entry.kind])}</div>'


def said_html(label: str, text: str) -> str:
    """What the user said or gave."""
    return f'<div class="mf-you"><span class="mf-label">{label}</span>{show_text(text)}</div>'


def _answer(entry: Entry, who: str, working: bool) -> str:
    said = entry.partial if entry.answer is None else entry.answer
    if not said and not working:
        said = "" if entry.answer is None else "no answer"
    shown = f"<strong>{show_text(said)}</strong>" if said else ""
    waits = (
        '<span class="mf-muted" role="status">Answering …</span>' if working and not said else ""
    )
    if not (shown or waits):
        return ""
    return f'<div class="mf-it mf-answer"><span class="mf-label">{escape_html(who, 120)}</span>{shown}{waits}</div>'


def _progress(entry: Entry, working: bool) -> str:
    if entry.sections < 2 and not (working and entry.sections):
        return ""
    bar = (
        f'<progress max="{entry.sections}" value="{entry.read}" aria-label="Sections read"></progress> '
        if working or entry.read < entry.sections
        else ""
    )
    doing = "Reading" if working else "Read"
    return (
        f'<div class="mf-small mf-muted" role="status">{bar}{doing} {entry.read:,} of {entry.sections:,} '
        f"section{'s' if entry.sections > 1 else ''}{' …' if working else ''}</div>"
    )


def _writes(writes: Sequence[Wrote]) -> str:
    """What was done to the memory: counted where it is much, and one by one."""
    if not writes:
        return ""
    counts = Counter(event.action for event in writes)
    many = len(writes) > SHOWN_WRITES
    head = "".join(
        tag(action, ACTIONS[action][0], f"{ACTIONS[action][1]} {count:,}") + " "
        for action, count in counts.items()
    )
    shown = "".join(map(_write, writes[-SHOWN_WRITES:]))
    if not many:
        return f'<div class="mf-ops">{shown}</div>'
    folded = writes[:-SHOWN_WRITES][-FOLDED_WRITES:]
    left = len(writes) - len(folded) - SHOWN_WRITES
    rest = f'<div class="mf-muted">and {left:,} before them</div>' if left else ""
    more = (
        f"<details><summary>{len(folded):,} operations before these</summary>{rest}{''.join(map(_write, folded))}"
        "</details>"
    )
    return f'<div class="mf-ops"><div class="mf-head">{head}</div>{more}{shown}</div>'


def _write(event: Wrote) -> str:
    name = (
        f' <span class="mf-muted">#{escape_html(event.memory_id, 40)}</span>'
        if event.memory_id
        else ""
    )
    return f'<div class="mf-op">{tag(event.action, *ACTIONS[event.action])}{name}{show_write(event, ())}</div>'


def _pin(event: Pinned) -> str:
    label = tag("good", "◆", "Pinned") if event.pinned else tag("", "◇", "Not pinned any more")
    return f'<div class="mf-op">{label} <span class="mf-muted">#{escape_html(event.memory_id, 40)}</span></div>'


def _reads(reads: Sequence[Recalled], what: str) -> str:
    """What was read of the memory, with ranks and scores, folded."""
    if not reads:
        return ""
    shown = reads[-SHOWN_WRITES:]
    tables = "".join(
        f'<div class="mf-label">for {show_text(event.query)}</div>{hits_table(event.hits)}'
        for event in shown
    )
    count = sum(len(event.hits) for event in shown)
    if not count:
        return f'<div class="mf-small mf-muted">No memory was read to {what}.</div>'
    title = f"Read to {what}: {count:,} memor{'y' if count == 1 else 'ies'}, ranks and scores"
    return f"<details><summary>{title}</summary>{tables}</details>"
