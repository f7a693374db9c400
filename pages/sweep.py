"""A recipe with every combination of two parts or settings, as a matrix whose cells are doors."""

import streamlit as st

from app.shell.widgets import choose_view, errors_in_words
from app.sweep.matrix import show_sweeps
from app.sweep.start import compose_sweep

VIEWS = {"start": "Start", "matrix": "Matrix"}

st.title("Sweep")
with errors_in_words():
    if choose_view(VIEWS) == "start":
        compose_sweep()
    else:
        show_sweeps()
