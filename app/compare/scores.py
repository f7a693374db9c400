"""The scores of each side with their own intervals, for sides that no example joins."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.compare.sides import label_side
from memfactory_core.runs.attempts import Side
from memfactory_core.runs.score_table import shown_in
from memfactory_core.runs.table_formats import describe_figures
from memfactory_core.scoring.intervals import Interval


def show_scores(sides: Sequence[Side]) -> None:
    """One row for each score, one column for each side."""
    shown = shown_in([side.run for side in sides])
    found = {side.key: _scores(side) for side in sides}
    names = shown.in_order(dict.fromkeys(name for scores in found.values() for name in scores))
    if not names:
        return
    st.subheader("Scores of each")
    rows = [
        {"Score": shown.title(name)}
        | {
            label_side(side): describe_figures(found[side.key].get(name), shown.is_share(name))
            for side in sides
        }
        for name in names
    ]
    st.dataframe(rows, hide_index=True, alt="Scores of each side with their intervals")
    st.caption("Shares in percent; in brackets the 95% interval (bootstrap over whole texts).")


def _scores(side: Side) -> dict[str, Interval]:
    when, decoding = side.phase.split("/")
    start = f"{decoding}/"
    return {
        path.removeprefix(start): figures
        for path, figures in side.run.summary.get(when, {}).items()
        if path.startswith(start) and path.count("/") == 1
    }
