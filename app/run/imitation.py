"""The curves of the imitation that comes before a training, or is all of a run."""

from __future__ import annotations

import streamlit as st

from app.reads.curves import read_curves
from app.run import charts
from app.shell.widgets import show_chart
from memfactory_core.runs.recording import IMITATION
from memfactory_core.runs.tables import ENDED, Run

CURVES = {
    "loss": ("Loss on what the teacher says", False),
    "form": ("Writes that can be read", True),
    "accuracy": ("Tokens as the teacher says them", True),
}


def show_imitation(run: Run) -> None:
    """Curves over imitation's own steps; nothing where a training has none, a word where they are to come."""
    found = read_curves(run.id, [f"{IMITATION}{name}" for name in CURVES], 600)
    if not found:
        if run.mode == "imitate":
            told = (
                "This run ended before its first step."
                if run.state in ENDED
                else "The curves begin with the first step."
            )
            st.info(told, icon=":material/hourglass_top:")
        return
    st.markdown(
        "**Imitation**, over its own steps: the policy learns the form from a teacher that chooses by chance"
    )
    for column, (name, (title, share)) in zip(st.columns(3), CURVES.items(), strict=True):
        curve = found.get(f"{IMITATION}{name}")
        if curve:
            with column:
                st.caption(title)
                alt = charts.curves_in_words(title, {"": curve}, share)
                show_chart(
                    charts.curve_figure({title: curve}, share, 170), f"imitation.{name}", alt
                )
