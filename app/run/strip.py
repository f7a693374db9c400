"""A thin strip of a run's curves with the present step marked: a click on it, or the end of a drag along it, moves in
time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.markup.safe_text import escape_markdown
from app.reads.curves import read_curves
from app.run.charts import PALETTE, curves_in_words, layout, mark_changes, smooth_between
from app.shell.widgets import clickable_chart
from memfactory_core.explain.stages import find_stretch, find_stretches, starts
from memfactory_core.rewards.shown import Shown
from memfactory_core.runs.tables import Run

POINTS = 300
"""Points of a curve of the strip."""
MARK = PALETTE[-1]
"""The colour of the present step, which no curve has."""
DRAG = """<script>
if (!window.memfactoryStrip) {
  window.memfactoryStrip = true;
  let start = null;
  const find = event => event.target.closest && event.target.closest('.st-key-strip .nsewdrag');
  addEventListener('mousedown', event => { start = event.isTrusted && find(event) ? event : null; }, true);
  addEventListener('mouseup', end => {
    if (!start || Math.abs(end.clientX - start.clientX) < 6) return;
    const at = {bubbles: true, view: window, clientX: end.clientX, clientY: start.clientY};
    const send = (kind, to, buttons = 0) => to.dispatchEvent(new MouseEvent(kind, {...at, buttons}));
    const strip = start.target;
    setTimeout(() => send('mousemove', strip), 100);  // Plotly has let go of the drag, and finds the nearest point
    setTimeout(() => { send('mousedown', strip, 1); send('mouseup', document); }, 250);
  }, true);
}
</script>"""
"""Clicks where a drag ended. Streamlit has either drags that select or clicks: where one drags, it sets Plotly's
`clickmode` so that a click says nothing."""
DROPPED = ("group", "one", "other", "episode", "event", "view")
"""Parameters of the address bar that another step drops."""


def show_strip(run: Run, phase: str, step: int) -> None:
    """The reward and the headline shares of a training over its steps; nothing for a run without curves."""
    shown = Shown(run.settings.get("reward", {}))
    heads = [name for name, part in shown.parts.items() if part.headline and part.is_share()]
    found = read_curves(run.id, ["reward", *(f"score/{name}" for name in heads)], POINTS)
    if len(found.get("reward", ())) < 2:
        return
    titles = {"reward": "reward"} | {f"score/{name}": shown.title(name).lower() for name in heads}
    curves = {titles[name]: curve for name, curve in found.items()}
    last = found["reward"][-1][0]
    # before the training there is no step of it, after it the last one has been
    at = step if phase == "train" else 0 if phase.startswith(("before", "untrained")) else last
    training = run.settings.get("training", {})
    changes = starts(training)
    figure = strip_figure(curves, at, changes)

    def move(point: dict[str, Any]) -> None:
        kept = {k: v for k, v in st.query_params.to_dict().items() if k not in DROPPED}
        st.query_params.from_dict(
            kept | {"run": run.id, "phase": "train", "step": str(int(point["x"]))}
        )

    told = curves_in_words(f"The run's curves, now at step {at:,}", curves)
    with st.container(key="strip"):
        clickable_chart(figure, f"strip.{run.id}", told, move)
        stretches = find_stretches(training)
        stretch = find_stretch(training, step)
        if phase == "train" and stretch and stretch.changed:
            then = "has no steps" if stretches[-1].changed else "comes later"
            st.caption(
                f"Step {step:,} is of a stage, {stretch.first:,} to {stretch.last:,}, with "
                f"{escape_markdown(stretch.form, 400)}; the task as it stands {then}."
            )
        st.html(DRAG, unsafe_allow_javascript=True)


def strip_figure(
    curves: dict[str, list[tuple[int, float]]], at: int, changes: Sequence[int] = ()
) -> Any:
    """The curves without axes of their own, each between its least and its greatest value, a mark at a step, and dotted
    lines where the task changes."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for i, (label, curve) in enumerate(curves.items()):
        values = smooth_between(curve, changes)
        low, high = min(values), max(values)
        figure.add_scatter(
            x=[step for step, _ in curve], y=[(v - low) / ((high - low) or 1.0) for v in values], name=label,
            mode="lines+markers", line={"color": PALETTE[i % len(PALETTE)], "width": 2 if i == 0 else 1.3},
            marker={"size": 7, "color": "rgba(0,0,0,0)"}, customdata=[value for _, value in curve],
            hovertemplate="step %{x}: %{customdata:.2f}<extra>" + label + "</extra>",
        )  # fmt: skip
    layout(figure, 116, legend=True)
    mark_changes(figure, changes)
    figure.add_vline(x=at, line={"color": MARK, "width": 3})
    figure.update_layout(margin={"l": 4, "r": 4, "t": 22, "b": 22}, hovermode="x unified")
    figure.update_yaxes(visible=False, range=[-0.08, 1.12], fixedrange=True)
    figure.update_xaxes(tickformat=",d", nticks=12, fixedrange=True)
    return figure
