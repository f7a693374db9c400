"""One run: its state, what can be done with it, and its tabs."""

from __future__ import annotations

import streamlit as st

from app.markup.safe_text import escape_markdown
from app.reads.engine import database_engine
from app.reads.episodes import count_episodes
from app.reads.runs import ANSWERING, find_run
from app.run.causes import show_causes
from app.run.curves import show_curves
from app.run.diagnosis import show_diagnosis
from app.run.log import show_log
from app.run.memories import show_memories
from app.run.operations import has_operations, show_operations
from app.run.recipe import show_settings
from app.run.results import show_results
from app.run.sharing import show_download
from app.run.waiting import show_queue_buttons
from app.shell.address import bind_to_address
from app.shell.pages import PAGES, page
from app.shell.status import show_status
from app.shell.widgets import errors_in_words
from memfactory_core.runs import jobs
from memfactory_core.runs.tables import ACTIVE, ENDED, Run


def _show_buttons(run: Run) -> None:
    place = {"run": run.id}
    with st.container(horizontal=True):
        asked = run.state == "stopping"
        if run.state in ACTIVE and st.button("Stop", icon=":material/stop:", disabled=asked):
            jobs.request_stop(database_engine(), run.id)
            st.rerun()
        links = {}
        if count_episodes(run.id) > 0:
            links = {"Open its groups": "groups", "Open its episodes": "episode"}
        if run.state == "finished" and run.mode in ("train", "imitate"):
            links["Chat with its agent"] = "chat"
        if run.state in ENDED and run.mode in ANSWERING:
            links["Evaluate on …"] = "evaluate"
        for label, name in links.items():
            if st.button(label, icon=PAGES[name][1]):
                st.switch_page(page(name), query_params=place)
        if run.state not in ACTIVE:
            show_download(run)


def show_run(run: Run) -> None:
    """A run's page; it reads the database again while the run is alive."""
    st.page_link(page("runs"), label="All runs", icon=":material/arrow_back:", query_params={})
    st.title(escape_markdown(run.name))

    @st.fragment(run_every=2 if run.state in ACTIVE else None)
    def live() -> None:
        jobs.reap(database_engine())
        now = find_run(run.id) or run
        if run.state in ACTIVE and now.state not in ACTIVE:
            st.rerun()
        show_status(now)
        show_queue_buttons(now)
        show_diagnosis(now)
        _show_buttons(now)
        shown = {"Curves": show_curves} if now.mode in ("train", "imitate", "rerank") else {}
        shown |= {"Before and after" if shown else "Results": show_results}
        if has_operations(now):
            shown |= {"Decisions": show_operations}
        if now.mode in ("train", "imitate", "evaluate"):
            shown |= {"Causes": show_causes, "Memories": show_memories}
        shown |= {"Log": show_log, "Settings": show_settings}
        tabs = st.tabs(list(shown), **bind_to_address("tab", list(shown), drops=("cause", "steps")))
        for tab, draw in zip(tabs, shown.values(), strict=True):
            if tab.open:
                with tab, errors_in_words():  # a fragment's errors do not reach the page
                    draw(now)

    live()
