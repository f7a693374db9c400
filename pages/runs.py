"""All runs; one run's progress, curves, results and log."""

import streamlit as st

from app.markup.safe_text import escape_markdown
from app.reads.engine import database_engine
from app.reads.episodes import count_episodes
from app.reads.runs import count_runs, find_run, list_runs
from app.run.causes import show_causes
from app.run.curves import show_curves
from app.run.log import show_log
from app.run.memories import show_memories
from app.run.operations import has_operations, show_operations
from app.run.recipe import show_settings
from app.run.results import show_results
from app.shell.address import bind_to_address
from app.shell.pages import PAGES, page
from app.shell.status import describe_progress, show_state, show_status
from app.shell.widgets import errors_in_words, show_empty_state
from app.shell.words import describe_age, describe_change
from memfactory_core.runs import jobs
from memfactory_core.runs.tables import ACTIVE, Run

PER_PAGE = 12
WIDTHS = (3.2, 1.5, 2.6, 1.6, 1.6, 1.4)
COLUMNS = ("Run", "State", "Progress", "Exact match", "Needed fact kept", "Created")


def table() -> None:
    st.title("Runs")
    count = count_runs()
    if not count:
        show_empty_state("There is no run yet.")
        return
    for column, title in zip(st.columns(WIDTHS), COLUMNS, strict=True):
        column.caption(title)
    number = st.session_state.get("runs.page", 1)
    for run in list_runs(PER_PAGE, (number - 1) * PER_PAGE):
        name, state, progress, *figures = st.columns(WIDTHS, vertical_alignment="center")
        place = {"run": run.id}
        name.page_link(page("runs"), label=escape_markdown(run.name), icon="", query_params=place)
        with state:
            show_state(run)
        progress.markdown(describe_progress(run) or "–")
        texts = (
            describe_change(run, "exact_match"),
            describe_change(run, "kept"),
            describe_age(run.created),
        )
        for column, text in zip(figures, texts, strict=True):
            column.markdown(text)
    if count > PER_PAGE:
        st.pagination(-(-count // PER_PAGE), key="runs.page")


def buttons(run: Run) -> None:
    place = {"run": run.id}
    with st.container(horizontal=True):
        asked = run.state == "stopping"
        if run.state in ACTIVE and st.button("Stop", icon=":material/stop:", disabled=asked):
            jobs.request_stop(database_engine(), run.id)
            st.rerun()
        links = {}
        if count_episodes(run.id) > 0:
            links = {"Open its groups": "groups", "Open its episodes": "episode"}
        if run.state == "finished" and run.mode == "train":
            links["Chat with its agent"] = "chat"
        for label, name in links.items():
            if st.button(label, icon=PAGES[name][1]):
                st.switch_page(page(name), query_params=place)


def detail(run: Run) -> None:
    st.page_link(page("runs"), label="All runs", icon=":material/arrow_back:", query_params={})
    st.title(escape_markdown(run.name))

    @st.fragment(run_every=2 if run.state in ACTIVE else None)
    def live() -> None:
        jobs.reap(database_engine())
        now = find_run(run.id) or run
        if run.state in ACTIVE and now.state not in ACTIVE:
            st.rerun()
        show_status(now)
        buttons(now)
        shown = {"Curves": show_curves} if now.mode in ("train", "rerank") else {}
        shown |= {"Before and after" if shown else "Results": show_results}
        if has_operations(now):
            shown |= {"Decisions": show_operations}
        if now.mode in ("train", "evaluate"):
            shown |= {"Causes": show_causes, "Memories": show_memories}
        shown |= {"Log": show_log, "Settings": show_settings}
        tabs = st.tabs(list(shown), **bind_to_address("tab", list(shown), drops=("cause", "steps")))
        for tab, draw in zip(tabs, shown.values(), strict=True):
            if tab.open:
                with tab:
                    draw(now)

    live()


with errors_in_words():
    jobs.reap(database_engine())
    chosen = find_run(st.query_params.get("run"))
    if st.query_params.get("run") and not chosen:
        st.warning("There is no such run here.")
    if chosen:
        detail(chosen)
    else:
        table()
