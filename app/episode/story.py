"""The story of an episode: its sections, its answers, and the raw messages of each turn."""

from __future__ import annotations

import streamlit as st

from app.markup.answers import answer_cards
from app.markup.safe_text import escape_markdown, reveal_hidden
from app.markup.sections import section_cards
from memfactory_core.explain import story
from memfactory_core.explain.stages import find_stretch
from memfactory_core.runs.tables import Run
from memfactory_core.trace import Episode

SECTIONS_A_PAGE = 30
"""Sections of an episode on one page."""


def show_story(run: Run, shown: Episode, step: int = 0) -> None:
    """The sections of an episode, a page at a time, its answers and its raw messages; `step` is that of a training,
    whose stages may have another budget."""
    sections = story.sections(shown.example, shown.events)
    start = 0
    if len(sections) > SECTIONS_A_PAGE:
        number = st.pagination(-(-len(sections) // SECTIONS_A_PAGE), key=f"sections.{shown.id}")
        start = (number - 1) * SECTIONS_A_PAGE
    budget = run.settings.get("paradigm", {}).get("store", {}).get("budget")
    if stretch := find_stretch(run.settings.get("training", {}), step):
        other = stretch.changed.get("store.budget", budget)
        budget = other if isinstance(other, int | None) else budget
    st.html(section_cards(shown.example, sections[start : start + SECTIONS_A_PAGE], budget))
    st.html(answer_cards(shown))
    with st.expander("Raw messages of each turn"):
        _show_messages(shown)


def _show_messages(shown: Episode) -> None:
    for i, turn in enumerate(shown.turns[:SECTIONS_A_PAGE]):
        ended = "by itself" if turn.completion.finish_reason == "stop" else "at the length limit"
        st.markdown(f"**Turn {i + 1}** · {escape_markdown(turn.role, 60)} · ended {ended}")
        for message in turn.messages:
            st.caption(escape_markdown(message["role"], 60))
            st.code(reveal_hidden(message["content"]), language=None, wrap_lines=True)
        if turn.completion.thinking:
            with st.expander("thought before it, not read by any part"):
                st.code(reveal_hidden(turn.completion.thinking), language=None, wrap_lines=True)
        st.caption("written by the policy")
        said = reveal_hidden(turn.completion.text) or " "
        st.code(said, language=None, wrap_lines=True)
    whole, name = shown.model_dump_json(indent=1), f"episode-{shown.id}.json"
    st.download_button("Download the whole episode as JSON", whole, name, "application/json")
