"""Plotly figures: data in, Figure out. Colours come from the theme's own palette; backgrounds are
clear, so that one figure serves light and dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go

PALETTE = ("#14918a", "#c2772e", "#6b6fd6", "#b0528f", "#5d8a3a", "#7a8794")
CAUSE_COLOURS = (
    *PALETTE, "#c9a227", "#3f86c6", "#a3473a", "#8f66c2", "#3d6b5e",
    "#d0588a", "#4f6d9e", "#93703a", "#5aa36b", "#6f8fae",
)  # fmt: skip
"""Colours of bars, one for each cause of a wrong answer."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
PATTERNS = ("", "/", "x", ".", "\\", "+", "-", "|")
DOTTED_POINTS = 24
"""Points up to which each is drawn as a dot; of more the dots are clear, there to be clicked."""
TRANSPARENT = "rgba(0,0,0,0)"
Curve = Sequence[tuple[int, float]]


def smooth(values: Sequence[float]) -> list[float]:
    """A trailing mean over about a twelfth of the curve; short curves stay as they are."""
    width = min(50, len(values) // 12)
    if width < 2:
        return list(values)
    means, total = [], 0.0
    for i, value in enumerate(values):
        total += value - (values[i - width] if i >= width else 0.0)
        means.append(total / min(i + 1, width))
    return means


def smooth_between(curve: Curve, changes: Sequence[int]) -> list[float]:
    """`smooth` of each stretch between the steps in `changes`, for a mean over a jump would draw it as a rise."""
    if not changes:
        return smooth([value for _, value in curve])
    means: list[float] = []
    for start, end in pairwise([float("-inf"), *changes, float("inf")]):
        means += smooth([value for step, value in curve if start <= step < end])
    return means


CHANGE = {"color": PALETTE[-1], "width": 1.5, "dash": "dot"}
"""The line where the task becomes another."""


def mark_changes(figure: go.Figure, changes: Sequence[int]) -> None:
    """A dotted line before each step from which on the task is another, as far as the curves reach: one that lies ahead
    would press them into a corner."""
    last = max(
        (max(trace.x) for trace in figure.data if trace.x is not None and len(trace.x)), default=0
    )
    for step in (step for step in changes if step <= last):
        figure.add_vline(x=step - 0.5, line=CHANGE)


def curve_figure(
    series: Mapping[str, Curve],
    percent: bool = False,
    height: int = 240,
    changes: Sequence[int] = (),
) -> go.Figure:
    """Curves over steps: a bold trailing mean on the faint values themselves; `changes` are steps from which on the
    task is another, each with a dotted line before it, over which no mean is taken."""
    figure = go.Figure()
    show = ":.0%" if percent else ":.3g"
    for i, (label, curve) in enumerate(series.items()):
        colour = PALETTE[i % len(PALETTE)]
        steps, values = [s for s, _ in curve], [v for _, v in curve]
        means = smooth_between(curve, changes)
        if means != values:
            figure.add_scatter(
                x=steps, y=values, mode="lines", line={"color": colour, "width": 1}, opacity=0.35,
                hoverinfo="skip", showlegend=False,
            )  # fmt: skip
        figure.add_scatter(
            x=steps, y=means, name=label, mode="lines+markers",
            line={"color": colour, "width": 2.4, "dash": DASHES[i % len(DASHES)]},
            marker={"size": 5, "color": colour if len(steps) <= DOTTED_POINTS else TRANSPARENT},
            customdata=values,
            hovertemplate=f"step %{{x}}: %{{customdata{show}}}<extra>{label}</extra>",
        )  # fmt: skip
    layout(figure, height, legend=len(series) > 1)
    mark_changes(figure, changes)
    figure.update_xaxes(title="step", rangemode="tozero", tickformat=",d")
    whole_ticks(
        figure,
        max(
            (steps[-1] for curve in series.values() if (steps := [s for s, _ in curve])), default=0
        ),
    )
    if percent:
        figure.update_yaxes(tickformat=".0%", range=[-0.02, 1.04])
    return figure


MOST_TICKS = 12


def whole_ticks(figure: go.Figure, last: int) -> None:
    """Ticks at whole steps alone, where there are so few that a chart would put some between them."""
    if last <= MOST_TICKS:
        figure.update_xaxes(dtick=1, tick0=0)


def curves_in_words(
    title: str, series: Mapping[str, Curve], percent: bool = False, along: str = "step"
) -> str:
    """A chart of curves in words: what is drawn, and where each curve begins and ends."""
    lines = []
    for label, curve in series.items():
        if curve:
            (first, start), (last, end) = curve[0], curve[-1]
            shown = (f"{v:.0%}" if percent else f"{v:.3g}" for v in (start, end))
            ends = " to ".join(shown)
            lines.append(f"{label} {ends} ({along} {first:,} to {last:,})".strip())
    return f"{title}: {'; '.join(lines) or 'no values yet'}"


def bar_figure(
    places: Sequence[str],
    series: Mapping[str, Sequence[float]],
    looks: Mapping[str, int],
    along: str = "step",
    changes: Sequence[float] = (),
) -> go.Figure:
    """Stacked shares, one bar for each place (a stretch of steps, as `along` says); a series keeps its colour
    and its pattern, `looks` says which. A bar's customdata is (series, index of the place). `changes` are places on the
    axis (the first bar is 0) where the task becomes another, each with a dotted line."""
    figure = go.Figure()
    for name, values in series.items():
        look = looks[name]
        figure.add_bar(
            x=list(places), y=list(values), name=name.replace("_", " "),
            marker={
                "color": CAUSE_COLOURS[look % len(CAUSE_COLOURS)],
                "pattern": {
                    "shape": PATTERNS[look % len(PATTERNS)], "fillmode": "overlay",
                    "solidity": 0.2, "size": 7,
                },
            },
            customdata=[[name, number] for number in range(len(places))],
            hovertemplate="%{y:.0%}",
        )  # fmt: skip
    layout(figure, 300, legend=True)
    figure.update_layout(barmode="stack", bargap=0.15, legend_traceorder="normal")
    figure.update_xaxes(title=along, type="category", nticks=12)
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    for place in changes:
        figure.add_vline(x=place, line=CHANGE)
    return figure


def places_between(stretches: Sequence[tuple[int, int]], steps: Sequence[int]) -> list[float]:
    """Where on an axis of bars, of which each has the steps from its first to its last, these steps begin: between two
    bars, or within the one that has steps before it too. Steps of which nothing is kept lie between bars; a step after
    the last bar has no place yet."""
    found = []
    for step in steps:
        index = next((i for i, (_, last) in enumerate(stretches) if step <= last), None)
        if index is not None:
            first, last = stretches[index]
            found.append(index - 0.5 + max(0, step - first) / (last - first + 1))
    return found


def survival_figure(
    series: Mapping[str, Sequence[tuple[int, float, int]]],
) -> go.Figure:
    """Shares still in memory after so many further sections, as steps."""
    figure = go.Figure()
    for i, (label, curve) in enumerate(series.items()):
        figure.add_scatter(
            x=[age for age, _, _ in curve], y=[share for _, share, _ in curve], name=label,
            mode="lines+markers",
            line={"color": PALETTE[i], "width": 2.4, "shape": "hv", "dash": DASHES[i]},
            marker={"size": 7, "symbol": ("circle", "circle-open")[i % 2]},
            customdata=[count for _, _, count in curve],
            hovertemplate="%{y:.0%} of %{customdata:,} facts",
        )  # fmt: skip
    layout(figure, 300, legend=True)
    figure.update_xaxes(title="sections read since the fact was told", tickformat=",d")
    whole_ticks(figure, max((curve[-1][0] for curve in series.values() if curve), default=0))
    figure.update_yaxes(tickformat=".0%", range=[-0.02, 1.04])
    return figure


def before_after_figure(
    sides: Mapping[str, Mapping[str, Mapping[str, float]]], labels: Mapping[str, str]
) -> go.Figure:
    """Means with their 95% intervals, one row per score and in it each evaluation under its label, the first one
    above; evaluations without scores are left out."""
    figure = go.Figure()
    there = {label: side for label, side in sides.items() if side}
    names = [name for name in labels if any(name in side for side in there.values())]
    looks = ((PALETTE[0], "circle"), (PALETTE[5], "circle-open"), (PALETTE[5], "x-thin-open"))
    for place, (label, side) in enumerate(there.items()):
        colour, symbol = looks[len(there) - 1 - place]
        shift = 0.14 * (len(there) - 1 - 2 * place)
        shown = [name for name in names if name in side]
        means = [side[name]["mean"] for name in shown]
        figure.add_scatter(
            x=means, y=[len(names) - 1 - names.index(name) + shift for name in shown], name=label,
            mode="markers",
            marker={"color": colour, "size": 11, "symbol": symbol, "line": {"width": 2}},
            error_x={
                "type": "data", "symmetric": False, "color": colour, "thickness": 1.6,
                "array": [_reach(side[name], "high") for name in shown],
                "arrayminus": [_reach(side[name], "low") for name in shown],
            },
            customdata=[labels[name] for name in shown],
            hovertemplate="%{customdata}: %{x:.1%}<extra>" + label + "</extra>",
        )  # fmt: skip
    layout(figure, 86 + 44 * len(names), legend=True)
    figure.update_xaxes(tickformat=".0%", range=[-0.03, 1.03])
    figure.update_yaxes(
        tickvals=list(range(len(names))), ticktext=[labels[name] for name in reversed(names)],
        range=[-0.6, len(names) - 0.4], showgrid=False, zeroline=False,
    )  # fmt: skip
    figure.update_layout(hovermode="closest")
    return figure


def _reach(value: Mapping[str, Any], end: str) -> float:
    """How far an interval's end is from its mean; 0 where one text alone gives none."""
    return 0.0 if value[end] is None else abs(value[end] - value["mean"])


def layout(figure: go.Figure, height: int, legend: bool) -> None:
    """The look that all figures share."""
    options: dict[str, Any] = {
        "height": height,
        "margin": {"l": 8, "r": 12, "t": 34 if legend else 10, "b": 8},
        "paper_bgcolor": TRANSPARENT,
        "plot_bgcolor": TRANSPARENT,
        "hovermode": "x unified",
        "uirevision": "keep",
        "showlegend": legend,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "title": None},
        "hoverlabel": {"namelength": -1},
    }
    figure.update_layout(**options)
    figure.update_xaxes(automargin=True, showgrid=False)
    figure.update_yaxes(automargin=True)
