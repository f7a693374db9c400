"""A recipe with every combination of two parts or settings, as a matrix whose cells are doors."""

import streamlit as st

from app.shell.address import bind_to_address
from app.shell.widgets import errors_in_words
from app.sweep.matrix import show_sweeps
from app.sweep.start import compose_sweep

VIEWS = {"start": "Start", "matrix": "Matrix"}

st.title("Sweep")
with errors_in_words():
    view = st.segmented_control(
        "View", list(VIEWS), format_func=VIEWS.__getitem__, required=True,
        label_visibility="collapsed", **bind_to_address("view", list(VIEWS), "start"),
    )  # fmt: skip
    if view == "start":
        compose_sweep()
    else:
        show_sweeps()
