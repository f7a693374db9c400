"""A run's diagnosis in a sentence or two, with the settings they point at."""

from __future__ import annotations

import streamlit as st

from app.markup.safe_text import escape_markdown
from app.reads.diagnosis import find_diagnosis
from app.shell.words import describe_phase
from memfactory_core.explain.diagnosis import Diagnosis
from memfactory_core.runs.tables import Run

SENTENCES = 2
"""Sentences that stand open; more are folded."""


def _tell(found: Diagnosis) -> str:
    """The sentence, and the setting that it ends with in brackets as a word of its own."""
    said = found.sentence.removesuffix(f" ({found.setting})")
    return f"{escape_markdown(said, 400)}. Setting to look at: `{found.setting}`."


def show_diagnosis(run: Run) -> None:
    """What stood in the way of better answers; nothing where nothing is worth saying."""
    phase, found = find_diagnosis(run)
    if not found:
        return
    lines = [_tell(one) for one in found]
    where = describe_phase(phase, run.mode).lower()
    head = f"**What stands in the way** ({escape_markdown(where)})"
    shown = "  \n".join([head, *lines[:SENTENCES]])
    st.info(shown, icon=":material/stethoscope:")
    if len(lines) > SENTENCES:
        with st.expander(f"{len(lines) - SENTENCES} more"):
            st.markdown("  \n".join(lines[SENTENCES:]))
