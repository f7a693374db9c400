"""The end of a run's log."""

from __future__ import annotations

import streamlit as st

from app.markup.safe_text import reveal_hidden
from app.reads.runs import read_log_tail
from memfactory_core.runs.tables import Run


def show_log(run: Run) -> None:
    """The end of the log, scrolled to its last line."""
    text = read_log_tail(run)
    if not text:
        imported = "This run was imported, and its log was left where it ran."
        st.info(
            imported
            if run.origin
            else "There is no log: the run has not begun, or its folder was tidied."
        )
        return
    with st.container(height=460, autoscroll=True):
        st.code(reveal_hidden(text), language=None, wrap_lines=True)
