"""A bank at one moment: a query, its entries, the life of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.markup.answers import answer_cards
from app.markup.safe_text import escape_html, mark_needed
from app.markup.sections import section_cards
from app.markup.talk import entry_html
from app.memory.history import show_history
from app.memory.search import show_query
from memfactory_core.explain import story
from memfactory_core.talk.entry import Entry
from memfactory_core.talk.talk import TALK, talk_entries
from memfactory_core.trace import Episode, replay
from memfactory_core.types import Evidence, Memory

MEMORIES_A_PAGE = 50
SHOWN_ENTRIES = 100
"""Entries of a talk that are shown."""
CHAT_SECTIONS = 30
"""Sections of a chat's reading that are shown."""


def show_entries(memories: Sequence[Memory], needed: Sequence[Evidence]) -> None:
    """Every entry of the bank."""
    if not memories:
        st.info("This bank is empty.")
        return
    start = 0
    if len(memories) > MEMORIES_A_PAGE:
        start = (
            st.pagination(-(-len(memories) // MEMORIES_A_PAGE), key="bank.page") - 1
        ) * MEMORIES_A_PAGE
    rows = "".join(
        f"<tr><td>{escape_html(memory.id, 40)}</td><td>{mark_needed(memory.text, needed)}</td>"
        f"<td>{_describe_source(memory)}</td></tr>"
        for memory in memories[start : start + MEMORIES_A_PAGE]
    )
    head = "<tr><th>Id</th><th>Memory</th><th>From</th></tr>"
    st.html(
        f'<div class="mf mf-wide" role="group" aria-label="Entries of the bank">'
        f'<table class="mf-table"><thead>{head}</thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _describe_source(memory: Memory) -> str:
    pinned = ", pinned" if memory.pinned else ""
    return ("–" if memory.source is None else f"section {memory.source + 1}") + pinned


def show_talk(episode: Episode, said: Sequence[Entry]) -> None:
    """What was said and done in a talk, with what it did to the memory."""
    if len(said) > SHOWN_ENTRIES:
        st.caption(f"The last {SHOWN_ENTRIES} of {len(said):,} entries.")
    label = episode.example.meta[TALK].get("label", "")
    shown = (entry_html(entry, episode.events, label) for entry in said[-SHOWN_ENTRIES:])
    st.html(f'<div class="mf">{"".join(shown)}</div>')


def show_bank(episode: Episode, end: int, place: dict[str, Any] | None) -> None:
    """The bank of an episode or a chat after the events before `end`: a query, its entries, an
    entry's life. `place` is the episode's address; a chat, which has none, shows its own story."""
    memories, needed = list(replay(episode.events, end).values()), episode.example.needed
    titles = ["Query", f"Entries ({len(memories):,})", "History of an entry"]
    said = talk_entries(episode)
    own = [] if place else ["The talk" if said else "The reading"]
    tabs = st.tabs([*titles, *own], key="memory.tab")
    with tabs[0]:
        show_query(memories, episode.example.question, needed)
    with tabs[1]:
        show_entries(memories, needed)
    with tabs[2]:
        show_history(episode, place, needed)
    if not place:
        with tabs[3]:
            if said:
                show_talk(episode, said)
                return
            sections = story.sections(episode.example, episode.events)[:CHAT_SECTIONS]
            st.html(section_cards(episode.example, sections) + answer_cards(episode))
