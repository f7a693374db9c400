"""The table of a group on the lesson on credit: attempts down, messages across, each cell a decision and where it is
pushed; and the words and figures that go with it."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from app.learn.parted import Decision, Group
from app.markup.safe_text import escape_html, one_line
from app.run.charts import DASHES, PALETTE, layout
from memfactory_core.scoring.intervals import Interval

LIKELIER, LESS_LIKELY = "20, 145, 138", "194, 119, 46"
"""Colours (r, g, b) of what is made likelier and less likely; drawn translucent, for light and dark."""
DEEPEST = 0.6


def word(action: str) -> str:
    """An operation as the policy writes it."""
    return "refused" if action == "reject" else action.upper()


def misled_both_ways(group: Group) -> tuple[int, int]:
    """How many right decisions of a group are made less likely, and how many wrong ones likelier."""
    misled = [told.is_right for told in group.pushed if told.is_misled]
    return sum(misled), len(misled) - sum(misled)


def pushes_table(group: Group, attempt: int | None = None, parting: int | None = None) -> str:
    """The group as HTML; `attempt` and `parting` (a message) stand out, both counted from 0."""
    most = max((abs(told.push or 0.0) for told in group.pushed), default=1.0)
    heads = "".join(
        _head(place, told.right, place - 1 == parting)
        for place, told in enumerate(group.decisions[0], 1)
    )
    rows = "".join(
        f'<tr><th scope="row">{"▸ " if number == attempt else ""}{number + 1}'
        f'<span class="mf-muted">{one.reward:+.2f}</span></th>'
        f"{''.join(_cell(told, most) for told in row)}</tr>"
        for number, (one, row) in enumerate(zip(group.attempts, group.decisions, strict=True))
    )
    return (
        f'<div class="mf mf-wide" tabindex="0"><table class="mf-table mf-heat mf-pushes" '
        f'aria-label="{html.escape(_in_words(group, parting))}"><thead><tr><th scope="col">Attempt'
        f'<div class="mf-muted">earned</div></th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _head(place: int, right: str, parts: bool) -> str:
    here = "<div>↓ parts here</div>" if parts else ""
    return f'<th scope="col">message {place}<div class="mf-muted">right: {word(right)}</div>{here}</th>'


def _cell(told: Decision, most: float) -> str:
    sign = "✓" if told.is_right else "✗"
    said = escape_html(one_line(told.said, 80))
    if not told.is_pushed:
        return f'<td class="mf-still" title="{said}">{sign} {word(told.done)}</td>'
    push = told.push or 0.0
    colour, arrow, way = (
        (LIKELIER, "▲", "likelier") if push > 0 else (LESS_LIKELY, "▼", "less likely")
    )
    framed = ' class="mf-misled"' if told.is_misled else ""
    return (
        f'<td{framed} style="background: rgba({colour}, {DEEPEST * abs(push) / most:.2f})" '
        f'title="{said}: {way}, {push:+.2f}">{sign} {word(told.done)} {arrow}</td>'
    )  # fmt: skip


def _in_words(group: Group, parting: int | None) -> str:
    down, up = misled_both_ways(group)
    where = "all decisions" if parting is None else f"message {parting + 1} alone"
    return (
        f"{len(group.attempts)} attempts, pushed at {where}: {len(group.pushed)} decisions, {down} right ones made "
        f"less likely, {up} wrong ones made likelier"
    )


def shares_figure(sides: Mapping[str, Sequence[Interval]]) -> go.Figure:
    """The shares of decisions that are pushed the wrong way by message, with their 95% intervals, for each side."""
    figure = go.Figure()
    for i, (name, shares) in enumerate(sides.items()):
        figure.add_scatter(
            x=[place + 0.06 * (2 * i - 1) for place in range(1, len(shares) + 1)],
            y=[share["mean"] for share in shares], name=name, mode="lines+markers",
            line={"color": PALETTE[i], "width": 2.4, "dash": DASHES[i]},
            marker={"size": 8, "symbol": ("circle", "circle-open")[i]},
            error_y={
                "type": "data", "symmetric": False, "color": PALETTE[i], "thickness": 1.4,
                "array": [share["high"] - share["mean"] for share in shares],
                "arrayminus": [share["mean"] - share["low"] for share in shares],
            },
            customdata=[share["n"] for share in shares],
            hovertemplate="%{y:.0%} of %{customdata}<extra>" + name + "</extra>",
        )  # fmt: skip
    layout(figure, 280, legend=True)
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(title="message", dtick=1, tick0=1)
    figure.update_yaxes(title="pushed the wrong way", tickformat=".0%", rangemode="tozero")
    return figure
