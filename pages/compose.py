"""Assemble a run from a preset and forms, check it, start it."""

import streamlit as st

from app.compose.editor import compose_run
from app.shell.widgets import errors_in_words

st.title("Compose a run")
with errors_in_words():
    compose_run()
