"""A bank at one moment: a query, its entries, the life of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.markup.answers import answer_cards
from app.markup.safe_text import escape_html, mark_needed
from app.markup.sections import section_cards
from app.memory.history import show_history
from app.memory.search import show_query
from memfactory_core.explain import story
from memfactory_core.trace import Episode, replay
from memfactory_core.types import Evidence, Memory

MEMORIES_A_PAGE = 50
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
    return "–" if memory.source is None else f"section {memory.source + 1}"


def show_bank(episode: Episode, end: int, place: dict[str, Any] | None) -> None:
    """The bank of an episode or a chat after the events before `end`: a query, its entries, an
    entry's life. `place` is the episode's address; a chat, which has none, shows its own story."""
    memories, needed = list(replay(episode.events, end).values()), episode.example.needed
    titles = ["Query", f"Entries ({len(memories):,})", "History of an entry"]
    tabs = st.tabs([*titles, *([] if place else ["The reading"])], key="memory.tab")
    with tabs[0]:
        show_query(memories, episode.example.question, needed)
    with tabs[1]:
        show_entries(memories, needed)
    with tabs[2]:
        show_history(episode, place, needed)
    if not place:
        with tabs[3]:
            sections = story.sections(episode.example, episode.events)[:CHAT_SECTIONS]
            st.html(section_cards(episode.example, sections) + answer_cards(episode))
