"""All runs; one run's progress, curves, results and log."""

import streamlit as st

from app.reads.engine import database_engine
from app.reads.runs import find_run
from app.run.detail import show_run
from app.run.run_list import show_runs
from app.shell.widgets import errors_in_words
from memfactory_core.runs import jobs

with errors_in_words():
    jobs.reap(database_engine())
    chosen = find_run(st.query_params.get("run"))
    if st.query_params.get("run") and not chosen:
        st.warning("There is no such run here.")
    if chosen:
        show_run(chosen)
    else:
        show_runs()
