"""Any bank, of an episode at any moment, of a chat or of pasted lines: a query, its entries, an
entry's life."""

import streamlit as st

from app.memory.sources import show_source
from app.shell.widgets import errors_in_words

st.title("Memory")
with errors_in_words():
    show_source()
