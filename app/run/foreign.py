"""The log of another agent's memory, brought in from a file."""

from __future__ import annotations

import streamlit as st

from app.reads.engine import database_engine
from app.shell.links import go_to
from app.shell.widgets import errors_in_words
from memfactory_core.logs import EXAMPLE
from memfactory_core.runs.imported import import_log
from memfactory_core.runs.tables import Run


def show_log_upload() -> None:
    """The place for another agent's memory log; what is in it is looked at before anything of it is believed."""
    with st.expander("Bring in another agent's memory log", icon=":material/history:"):
        st.markdown(
            "Why did *that* agent forget it? Its log becomes episodes, as if it had been played here: the bank at any "
            "moment, the story, the cause. Nothing is trained."
        )
        given = st.file_uploader(
            "A memory log (jsonl), OpenTelemetry spans (OTLP JSON) or Mem0's history.db",
            type=["jsonl", "json", "db", "sqlite", "sqlite3"], accept_multiple_files=True, key="logs.upload",
            help="Several files are one log, in the order of their times. The format: docs/import-logs.md.",
        )  # fmt: skip
        bring, example = st.columns([1, 2.6])
        if bring.button("Bring it in", type="primary", disabled=not given, key="logs.bring"):
            with errors_in_words():
                # numbered: two files of one name are two files
                files = {
                    f"{number}. {one.name}" if len(given) > 1 else one.name: one.getvalue()
                    for number, one in enumerate(given, 1)
                }
                _open(import_log(database_engine(), files))
        if example.button(
            "Bring in the example log", key="logs.example", icon=":material/science:"
        ):
            with errors_in_words():
                _open(import_log(database_engine(), {EXAMPLE.name: EXAMPLE.read_bytes()}))


def _open(run: Run) -> None:
    go_to("runs", run=run.id)
