"""All runs as a table: searched, put in order, a page at a time, kept current."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.markup.safe_text import escape_markdown, show_tags
from app.reads.engine import database_engine
from app.reads.runs import count_runs, find_runs
from app.run.filters import choose_query, is_filtered
from app.run.foreign import show_log_upload
from app.run.sharing import show_upload
from app.run.waiting import show_queue_buttons
from app.shell.address import bind_page_to_address
from app.shell.links import link_to
from app.shell.status import describe_progress, show_state
from app.shell.widgets import keep_current, show_empty_state
from app.shell.words import describe_age, describe_change
from memfactory_core.runs.database import active_runs
from memfactory_core.runs.search import Query, list_parts, search_runs
from memfactory_core.runs.tables import Run

RUNS_A_PAGE = 12
WIDTHS = (2.6, 1.6, 2.2, 2.1, 1.2, 1.2)
COLUMNS = {
    "Run": "", "State": "",
    "Parts": "What the agent is made of: paradigm, store, extractor, updater, retriever, policy.",
    "Progress": "", "Exact match": "Right answers of greedy decoding, before and after training.",
    "Needed fact kept": "How often a needed fact was in memory at the end, before and after training.",
}  # fmt: skip


def keep_list_current(draw: Callable[[], None]) -> None:
    """Draws a list, and again every few seconds while one of all runs has not ended."""
    keep_current(draw, lambda: bool(active_runs(database_engine())))


def show_runs() -> None:
    """The runs that are looked for, kept current, and the way in for one from elsewhere."""
    st.title("Runs")
    if not count_runs():
        show_empty_state("There is no run yet.")
    else:
        query = choose_query()
        keep_list_current(lambda: _draw_runs(query))
    show_upload()
    show_log_upload()


def _draw_runs(query: Query) -> None:
    found = search_runs(database_engine(), query)
    if not found:
        st.info("No run is like this.", icon=":material/search_off:")
        link_to("runs", "Show all runs", "everything")
        return
    if is_filtered(query):
        st.caption(f"{len(found):,} of {count_runs():,} runs")
    with st.container(key="runs", gap="small"):
        _draw_table(found)


def _draw_table(found: list[str]) -> None:
    """A page of the runs found, a row each."""
    for column, (title, told) in zip(st.columns(WIDTHS), COLUMNS.items(), strict=True):
        column.caption(title, help=told or None)
    pages = -(-len(found) // RUNS_A_PAGE)
    bound = bind_page_to_address("page", pages)
    start = (st.session_state[bound["key"]] - 1) * RUNS_A_PAGE
    for run in find_runs(found[start : start + RUNS_A_PAGE]):
        _draw_run(run)
    if pages > 1:
        st.pagination(pages, **bound)


def _draw_run(run: Run) -> None:
    name, state, parts, progress, *figures = st.columns(WIDTHS, vertical_alignment="center")
    with name:
        link_to("runs", escape_markdown(run.name), f"run.{run.id}", run=run.id)
        note = f"  \n:small[{escape_markdown(run.note, 90)}]" if run.note else ""
        st.markdown(f":small[{describe_age(run.created)}] {show_tags(run.tag_list)}{note}")
    with state:
        show_state(run)
    parts.markdown(f":small[{describe_parts(run)}]")
    with progress:
        st.markdown(f":small[{describe_progress(run) or '–'}]")
        show_queue_buttons(run)
    for column, score in zip(figures, ("exact_match", "kept"), strict=True):
        column.markdown(describe_change(run, score))


def describe_parts(run: Run) -> str:
    """What a run's agent is made of, in words."""
    parts = list_parts(run.settings)
    kinds = [kind for name, kind in parts.items() if kind and name != "task"]
    return escape_markdown(" · ".join(kind.replace("_", " ") for kind in kinds), 160)
