"""The way in, and the latest runs as cards: what the overview shows."""

from __future__ import annotations

import streamlit as st

from app.markup.labels import figures_row
from app.markup.safe_text import escape_markdown
from app.reads.causes import count_wrong
from app.reads.examples import bring_in_examples, find_examples
from app.reads.runs import list_runs
from app.run.run_list import keep_list_current
from app.shell.links import go_to, link_to
from app.shell.status import describe_progress, show_state
from app.shell.widgets import errors_in_words, show_empty_state
from app.shell.words import describe_age, describe_change
from memfactory_core.runs.tables import Run

RECENT = 3
"""Runs that the overview shows, beside the examples."""


def show_recent_runs() -> None:
    """The way in, the latest runs as cards, kept current, and the examples, which no newer run pushes out."""
    examples = find_examples()
    with st.container(horizontal=True):
        if st.button("Start here", type="primary", icon=":material/play_arrow:"):
            go_to("learn", lesson="decides")
        if examples and st.button("Open the example run", icon=":material/show_chart:"):
            go_to("runs", run=examples[0].id)
    names = {run.id for run in examples}
    st.subheader("Recent runs")
    keep_list_current(lambda: _draw_recent_runs(names))
    _show_examples(examples)


def _draw_recent_runs(examples: set[str]) -> None:
    shown = [run for run in list_runs(RECENT + len(examples)) if run.id not in examples][:RECENT]
    if not shown:
        show_empty_state(
            "There is no run of your own yet. The preset *MemAgent, tiny, CPU* trains in a few minutes."
        )
    _draw_cards(shown)


def _show_examples(examples: list[Run]) -> None:
    st.subheader("Examples")
    if examples:
        _draw_cards(examples)
        return
    st.caption("The runs that come with the package are not in this lab.")
    if st.button("Bring in the examples", icon=":material/download:"):
        with errors_in_words():
            bring_in_examples()
            st.rerun()


def _figures(run: Run) -> dict[str, str]:
    """What a run came to; of another agent's log, how many of its answers were wrong."""
    if run.mode == "imported":
        wrong, answers = count_wrong(run.id, "imported")
        return {"Answers": f"{answers:,}", "Wrong": f"{wrong:,}"}
    return {
        "Exact match": describe_change(run, "exact_match"), "Needed fact kept": describe_change(run, "kept"),
    }  # fmt: skip


def _draw_cards(runs: list[Run]) -> None:
    for column, run in zip(st.columns(RECENT), runs, strict=False):
        with column.container(border=True, height="stretch"):
            st.markdown(f"**{escape_markdown(run.name)}**")
            with st.container(horizontal=True, vertical_alignment="center"):
                show_state(run)
                st.caption(describe_age(run.created))
            st.html(figures_row(_figures(run)))
            st.caption(
                describe_progress(run)
                or ("another agent's log" if run.mode == "imported" else "not started")
            )
            link_to("runs", "Open", f"card.{run.id}", ":material/arrow_forward:", run=run.id)
