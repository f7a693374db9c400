"""A run in the queue: moved to the front, forward or back."""

from __future__ import annotations

import streamlit as st

from app.reads.engine import database_engine
from app.shell.widgets import errors_in_words
from memfactory_core.runs.queue import Move, move
from memfactory_core.runs.tables import Run

MOVES: dict[Move, tuple[str, str]] = {
    "first": (":material/vertical_align_top:", "To the front of the queue"),
    "up": (":material/arrow_upward:", "One place forward in the queue"),
    "down": (":material/arrow_downward:", "One place back in the queue"),
}


def show_queue_buttons(run: Run) -> None:
    """Buttons that change the order, for a run that waits; nothing for any other."""
    if run.turn is None:
        return
    with st.container(horizontal=True, gap="small"):
        for where, (icon, what) in MOVES.items():
            if st.button("", key=f"queue.{run.id}.{where}", icon=icon, help=what):
                with errors_in_words():
                    move(database_engine(), run.id, where)
                    st.rerun()
