"""Runs side by side: curves, paired differences, examples that flipped, causes, settings and cost."""

import streamlit as st

from app.compare.view import show_comparison
from app.shell.widgets import errors_in_words

st.title("Compare")
with errors_in_words():
    show_comparison()
