"""All runs as a table, newest first; the latest ones as cards."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.markup.labels import figures_row
from app.markup.safe_text import escape_markdown
from app.reads.engine import database_engine
from app.reads.runs import count_runs, list_runs
from app.run.sharing import show_upload
from app.run.waiting import show_queue_buttons
from app.shell.pages import page
from app.shell.status import describe_progress, show_state
from app.shell.widgets import errors_in_words, show_empty_state
from app.shell.words import describe_age, describe_change
from memfactory_core.runs.database import active_runs

RECENT = 3
"""Runs that the overview shows."""
RUNS_A_PAGE = 12
REFRESH = 3.0
"""Seconds after which a list is read again while a run is active."""
WIDTHS = (3.2, 1.5, 2.6, 1.6, 1.6, 1.4)
COLUMNS = ("Run", "State", "Progress", "Exact match", "Needed fact kept", "Created")


def _keep_current(draw: Callable[[], None]) -> None:
    """Draws a list, and again every few seconds while one of all runs has not ended."""
    active = bool(active_runs(database_engine()))

    @st.fragment(run_every=REFRESH if active else None)
    def live() -> None:
        with errors_in_words():  # a fragment's errors do not reach the page
            if active and not active_runs(database_engine()):
                st.rerun()
            draw()

    live()


def show_runs() -> None:
    """A page of the runs, kept current, and the way in for one from elsewhere."""
    st.title("Runs")
    _keep_current(_draw_runs)
    show_upload()


def _draw_runs() -> None:
    count = count_runs()
    if not count:
        show_empty_state("There is no run yet.")
        return
    for column, title in zip(st.columns(WIDTHS), COLUMNS, strict=True):
        column.caption(title)
    number = st.session_state.get("runs.page", 1)
    for run in list_runs(RUNS_A_PAGE, (number - 1) * RUNS_A_PAGE):
        name, state, progress, *figures = st.columns(WIDTHS, vertical_alignment="center")
        place = {"run": run.id}
        name.page_link(page("runs"), label=escape_markdown(run.name), icon="", query_params=place)
        with state:
            show_state(run)
        with progress:
            st.markdown(describe_progress(run) or "–")
            show_queue_buttons(run)
        texts = (
            describe_change(run, "exact_match"),
            describe_change(run, "kept"),
            describe_age(run.created),
        )
        for column, text in zip(figures, texts, strict=True):
            column.markdown(text)
    if count > RUNS_A_PAGE:
        st.pagination(-(-count // RUNS_A_PAGE), key="runs.page")


def show_recent_runs() -> None:
    """The way in, and the latest runs as cards, kept current."""
    done = [run for run in list_runs(50) if run.state == "finished" and run.mode == "train"]
    with st.container(horizontal=True):
        if st.button("Start here", type="primary", icon=":material/play_arrow:"):
            st.switch_page(page("learn"), query_params={"lesson": "decides"})
        if done and st.button("Open the example run", icon=":material/show_chart:"):
            st.switch_page(page("runs"), query_params={"run": done[-1].id})

    st.subheader("Recent runs")
    _keep_current(_draw_recent_runs)


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
