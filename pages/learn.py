"""Lessons of ten minutes each: predict, look, change, check."""

import streamlit as st

from app.learn.lessons import show_lessons
from app.shell.widgets import errors_in_words

st.title("Learn")
with errors_in_words():
    show_lessons()
