"""The life of one entry of a bank, event by event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.markup.differences import show_write
from app.markup.labels import ACTIONS, tag
from app.markup.safe_text import escape_html, one_line, show_text
from app.shell.address import bind_to_address
from app.shell.place import link_to_episode
from memfactory_core.explain import moments
from memfactory_core.trace import Asked, Episode, Recalled, Wrote
from memfactory_core.types import Evidence


def show_history(
    episode: Episode, place: dict[str, Any] | None, needed: Sequence[Evidence]
) -> None:
    """The life of one entry, event by event, each a link into the episode where it has an
    address."""
    written = [e.memory_id for e in episode.events if isinstance(e, Wrote) and e.memory_id]
    ids = list(dict.fromkeys(written))
    if not ids:
        st.info("Nothing was ever written in this episode.")
        return
    chosen = st.selectbox(
        "Entry", ids, format_func=lambda i: f"{one_line(i, 20)}: {_last_words(episode, i)}",
        **bind_to_address("memory", ids),
    )  # fmt: skip
    for event in moments.history(episode, chosen):
        what, link = st.columns([4, 1], vertical_alignment="center")
        where = "while answering" if event.at is None else f"in section {event.at + 1}"
        where = "by hand" if isinstance(event, Wrote) and event.who == "user" else where
        what.html(f'<div class="mf">{_show_event(event, chosen, where, needed)}</div>')
        if place is None:
            continue
        with link:
            link_to_episode(place, event=event.seq)


def _last_words(episode: Episode, memory_id: str) -> str:
    writes = (e for e in episode.events if isinstance(e, Wrote) and e.memory_id == memory_id)
    texts = [event.after or event.before or "" for event in writes]
    return one_line(texts[-1], 70)


def _show_event(event: Any, memory_id: str, where: str, needed: Sequence[Evidence]) -> str:
    if isinstance(event, Recalled):
        rank = next(i for i, hit in enumerate(event.hits, 1) if hit.memory.id == memory_id)
        label = tag("", "⌕", "Recalled")
        return f"{label} {where}, rank {rank} for {show_text(event.query)}"
    if isinstance(event, Asked):
        role = moments.ROLES.get(event.role, event.role).lower()
        return f"{tag('good', '❝', 'Cited')} {where} ({escape_html(role, 60)})"
    label = tag(event.action, *ACTIONS[event.action])
    return f"{label} {where}{show_write(event, needed)}"
