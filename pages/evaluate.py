"""Runs measured: agents and baselines on tasks, their scores in one table, the wrong answers behind it."""

import streamlit as st

from app.evaluate.results import show_evaluations
from app.evaluate.start import compose_evaluations
from app.shell.address import bind_to_address
from app.shell.widgets import errors_in_words

VIEWS = {"start": "Measure", "results": "Results"}

st.title("Evaluate")
with errors_in_words():
    view = st.segmented_control(
        "View", list(VIEWS), format_func=VIEWS.__getitem__, required=True,
        label_visibility="collapsed", **bind_to_address("view", list(VIEWS), "start"),
    )  # fmt: skip
    if view == "start":
        compose_evaluations()
    else:
        show_evaluations()
