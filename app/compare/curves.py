"""The curves of several runs in one chart."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.markup.safe_text import escape_markdown
from app.reads.curves import read_curves
from app.run import charts
from app.shell.address import bind_to_address
from app.shell.widgets import show_chart, table_with_download
from memfactory_core.explain.stages import starts, tell_stretches
from memfactory_core.runs.attempts import Side
from memfactory_core.runs.labels import tell_apart
from memfactory_core.runs.score_table import shown_in

CHART_POINTS = 600
"""Points of a curve, more than a chart is wide."""


def show_curves(sides: Sequence[Side]) -> None:
    """One curve of each run that trained, over its steps; nothing where none did. Dotted lines are where the task of
    one of them changes."""
    runs = {
        side.run.id: side.run for side in sides if side.run.mode in ("train", "imitate", "rerank")
    }
    if not runs:
        return
    shown = shown_in(runs.values())
    measured = [f"score/{name}" for name in shown.in_order(shown.parts)]
    names = ["reward", *measured, "entropy", "kl", "useful"]
    found = {run: read_curves(run, names, CHART_POINTS) for run in runs}
    known = [name for name in names if any(name in curves for curves in found.values())]
    if not known:
        return
    title, choice = st.columns([3, 1.4], vertical_alignment="bottom")
    title.subheader("Curves")

    def label(name: str) -> str:
        return shown.title(name.removeprefix("score/"))

    curve = choice.selectbox("Curve", known, format_func=label, **bind_to_address("curve", known))
    share = curve.startswith("score/") and shown.is_share(curve.removeprefix("score/"))
    labels = tell_apart((run.id, run.name, run.created) for run in runs.values())
    series = {labels[run]: curves[curve] for run, curves in found.items() if curve in curves}
    if len(runs) < len({side.run.id for side in sides}):
        st.caption("Runs that only measured have no curves.")
    drawn = [run for run in runs.values() if run.mode == "train" and labels[run.id] in series]
    changes = {step for run in drawn for step in starts(run.settings.get("training", {}))}
    figure = charts.curve_figure(series, share, 300, sorted(changes))
    for run in drawn:
        if told := tell_stretches(run.settings.get("training", {})):
            st.caption(escape_markdown(f"{labels[run.id]}: {told}", 800))
    show_chart(figure, "compare.curves", charts.curves_in_words(label(curve), series, share))
    rows: dict[int, dict[str, float]] = {}
    for name, points in series.items():
        for step, value in points:
            rows.setdefault(step, {"step": step})[name] = round(value, 4)
    table_with_download([rows[step] for step in sorted(rows)], "compared-curves")
