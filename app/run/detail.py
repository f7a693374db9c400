"""One run: its state, what can be done with it, and its tabs."""

from __future__ import annotations

import streamlit as st

from app.markup.safe_text import escape_markdown, show_tags
from app.reads.engine import database_engine
from app.reads.runs import find_run
from app.run.actions import show_buttons, show_keeping
from app.run.causes import show_causes
from app.run.curves import show_curves
from app.run.diagnosis import show_diagnosis
from app.run.log import show_log
from app.run.memories import show_memories
from app.run.operations import has_operations, show_operations
from app.run.recipe import show_settings
from app.run.results import show_results
from app.run.waiting import show_queue_buttons
from app.shell.address import bind_to_address
from app.shell.links import link_to
from app.shell.status import show_status
from app.shell.widgets import errors_in_words
from memfactory_core.runs import jobs
from memfactory_core.runs.tables import ACTIVE, Run


def show_run(run: Run) -> None:
    """A run's page; it reads the database again while the run is alive."""
    link_to("runs", "All runs", "all", ":material/arrow_back:")
    st.title(escape_markdown(run.name))
    if run.tags or run.note:
        st.markdown(f"{show_tags(run.tag_list)} {escape_markdown(run.note, 600)}")

    @st.fragment(run_every=2 if run.state in ACTIVE else None)
    def live() -> None:
        jobs.reap(database_engine())
        now = find_run(run.id) or run
        if run.state in ACTIVE and now.state not in ACTIVE:
            st.rerun()
        show_status(now)
        show_queue_buttons(now)
        show_diagnosis(now)
        show_buttons(now)
        shown = {"Curves": show_curves} if now.mode in ("train", "imitate", "rerank") else {}
        shown |= {"Before and after" if shown else "Results": show_results}
        if has_operations(now):
            shown |= {"Decisions": show_operations}
        if now.mode == "imported":  # nothing was measured, and no process wrote a log
            shown = {}
        if now.mode in ("train", "imitate", "evaluate", "imported"):
            shown |= {"Causes": show_causes, "Memories": show_memories}
        shown |= {} if now.mode == "imported" else {"Log": show_log, "Settings": show_settings}
        tabs = st.tabs(list(shown), **bind_to_address("tab", list(shown), drops=("cause", "steps")))
        for tab, draw in zip(tabs, shown.values(), strict=True):
            if tab.open:
                with tab, errors_in_words():  # a fragment's errors do not reach the page
                    draw(now)

    live()
    show_keeping(run)
