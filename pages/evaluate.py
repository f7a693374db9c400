"""Runs measured: agents and baselines on tasks, their scores in one table, the wrong answers behind it."""

import streamlit as st

from app.evaluate.results import show_evaluations
from app.evaluate.start import compose_evaluations
from app.shell.widgets import choose_view, errors_in_words

VIEWS = {"start": "Measure", "results": "Results"}

st.title("Evaluate")
with errors_in_words():
    if choose_view(VIEWS) == "start":
        compose_evaluations()
    else:
        show_evaluations()
