"""The way in, and the latest runs as cards: what the overview shows."""

from __future__ import annotations

import streamlit as st

from app.markup.labels import figures_row
from app.markup.safe_text import escape_markdown
from app.reads.runs import list_runs
from app.run.run_list import keep_current
from app.shell.pages import page
from app.shell.status import describe_progress, show_state
from app.shell.widgets import show_empty_state
from app.shell.words import describe_age, describe_change

RECENT = 3
"""Runs that the overview shows."""


def show_recent_runs() -> None:
    """The way in, and the latest runs as cards, kept current."""
    done = [run for run in list_runs(50) if run.state == "finished" and run.mode == "train"]
    with st.container(horizontal=True):
        if st.button("Start here", type="primary", icon=":material/play_arrow:"):
            st.switch_page(page("learn"), query_params={"lesson": "decides"})
        if done and st.button("Open the example run", icon=":material/show_chart:"):
            st.switch_page(page("runs"), query_params={"run": done[-1].id})

    st.subheader("Recent runs")
    keep_current(_draw_recent_runs)


def _draw_recent_runs() -> None:
    shown = list_runs(RECENT)
    if not shown:
        show_empty_state(
            "There is no run yet. The preset *MemAgent, tiny, CPU* trains in a few minutes."
        )
    for column, run in zip(st.columns(RECENT), shown, strict=False):
        with column.container(border=True):
            st.markdown(f"**{escape_markdown(run.name)}**")
            with st.container(horizontal=True, vertical_alignment="center"):
                show_state(run)
                st.caption(describe_age(run.created))
            st.html(
                figures_row(
                    {
                        "Exact match": describe_change(run, "exact_match"),
                        "Needed fact kept": describe_change(run, "kept"),
                    }
                )
            )
            st.caption(describe_progress(run) or "not started")
            st.page_link(
                page("runs"),
                label="Open",
                icon=":material/arrow_forward:",
                query_params={"run": run.id},
            )
