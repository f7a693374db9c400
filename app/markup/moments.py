"""The card of one moment of an episode: read, recalled, said, written."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from app.markup.differences import show_write
from app.markup.hits import hits_table
from app.markup.labels import ACTIONS, invention_tags, tag
from app.markup.safe_text import escape_html, mark_needed, one_line, show_text
from memfactory_core.explain import moments
from memfactory_core.explain.inventions import Invention
from memfactory_core.explain.moments import Moment
from memfactory_core.trace import Asked, Cited, Episode, Failed, Recalled, Wrote
from memfactory_core.types import Evidence


def moment_card(
    moment: Moment,
    episode: Episode,
    needed: Sequence[Evidence],
    chosen: int | None,
    inventions: Mapping[int, Invention] | None = None,
) -> str:
    """What was read, recalled, said and written at one moment; the chosen event is outlined. `inventions` are the
    episode's writes that say what nobody has stated."""
    parts = []
    if moment.at is not None:
        parts.append(
            _labelled("Read", mark_needed(episode.example.observations[moment.at], needed))
        )
    for event in moment.events:
        mark = ' aria-current="true"' if event.seq == chosen else ""
        parts.append(
            f'<div class="mf-event"{mark}>{_show_event(event, moment, episode, needed, inventions or {})}</div>'
        )
    return (
        f'<section class="mf mf-card" aria-label="{html.escape(one_line(moment.title))}">'
        f"{''.join(parts)}</section>"
    )


def _labelled(label: str, body: str) -> str:
    return f'<div class="mf-part"><div class="mf-label">{escape_html(label, 80)}</div>{body}</div>'


def _show_event(
    event: object,
    moment: Moment,
    episode: Episode,
    needed: Sequence[Evidence],
    inventions: Mapping[int, Invention],
) -> str:
    if isinstance(event, Recalled):
        if event.searched == "":
            return _labelled("Not looked", f"for {show_text(event.query)}")
        own = f", searched by {show_text(event.searched)}" if event.searched else ""
        return _labelled(
            "Recalled", f"for {show_text(event.query)}{own}{hits_table(event.hits, needed)}"
        )
    if isinstance(event, Cited):
        names = ", ".join(f"#{name}" for name in event.memory_ids)
        return _labelled("The answer rests on", show_text(names, "none of the memories"))
    if isinstance(event, Failed):
        return _labelled("A part failed", show_text(event.error))
    if isinstance(event, Wrote):
        name = escape_html(event.memory_id or "", 40)
        which = f' <span class="mf-muted">memory {name}</span>' if name else ""
        invention = inventions.get(event.seq)
        label = tag(event.action, *ACTIONS[event.action]) + which
        label += "".join(invention_tags(invention))
        key = _labelled("Found by the key", show_text(event.key)) if event.key else ""
        return f'<div class="mf-head">{label}</div>{show_write(event, needed, invention)}{key}'
    if isinstance(event, Asked):
        said = episode.turns[event.index].completion.text
        echoed = any(isinstance(e, Wrote) and e.after == said for e in moment.events)
        if echoed:  # the write below shows the same words
            return ""
        label = moments.ROLES.get(event.role, event.role)
        return _labelled(f"The policy said ({label.lower()})", show_text(said, "nothing"))
    return ""
