"""Beside the scores: causes of wrong answers, the settings that differ and no others, what each side cost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.compare.sides import label_side
from app.markup.labels import cause_tag
from app.markup.safe_text import escape_html
from memfactory_core.explain.causes import CAUSES
from memfactory_core.runs.attempts import Side
from memfactory_core.runs.comparison import Comparison, count_cost, differing_settings
from memfactory_core.text import describe_duration

COST_HELP = (
    "Tokens are the policy's own, on the mean of an episode of the shared examples; programs and some servers "
    "count none. Seconds are of the whole run, its training included."
)
LONGEST_VALUE = 120
"""Characters of a setting's value that the table shows."""


def show_causes(first: Side, second: Side, compared: Comparison) -> None:
    """How often each cause made an answer wrong, of both sides on the shared examples."""
    st.subheader("Causes of wrong answers")
    counts = compared.causes()
    if not counts:
        st.success("Neither gave a wrong answer.", icon=":material/check:")
        return
    rows = "".join(
        f"<tr><td>{cause_tag(cause)}</td><td>{one:,}</td><td>{other:,}</td><td>{other - one:+,}</td>"
        f"<td>{escape_html(CAUSES.get(cause, ''))}</td></tr>"
        for cause, (one, other) in counts.items()
    )
    heads = ("Cause", label_side(first), label_side(second), "Change", "What it means")
    head = "".join(f'<th scope="col">{escape_html(one)}</th>' for one in heads)
    st.html(
        '<div class="mf mf-wide" tabindex="0"><table class="mf-table"><thead>'
        f"<tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def show_settings(sides: Sequence[Side]) -> None:
    """Only those settings in which the runs differ."""
    st.subheader("Settings that differ")
    runs = {side.run.id: side.run for side in sides}
    if len(runs) < 2:
        st.caption("It is one run: nothing but its training lies between.")
        return
    found = differing_settings(list(runs.values()))
    if not found:
        st.caption("None: these runs have the same settings.")
        return
    names = [label_side(next(s for s in sides if s.run.id == run)) for run in runs]
    names = [name if names.count(name) == 1 else run for name, run in zip(names, runs, strict=True)]
    rows = [
        {"Setting": path} | {n: _value(v) for n, v in zip(names, values, strict=True)}
        for path, values in found.items()
    ]
    st.dataframe(rows, hide_index=True, alt="Settings that differ")


def _value(value: Any) -> str:
    if value is None:
        return "–"
    return (value if isinstance(value, str) else json.dumps(value))[:LONGEST_VALUE]


def show_cost(first: Side, others: Sequence[Side], found: Mapping[str, Comparison]) -> None:
    """Tokens, calls and seconds of each side."""
    st.subheader("Cost", help=COST_HELP)
    rows = []
    for side in (first, *others):
        attempts = found[others[0].key].first if side is first else found[side.key].second
        cost = count_cost(side.run, attempts)
        rows.append({
            "Run": label_side(side),
            "Tokens read": _tokens(cost.read), "Tokens written": _tokens(cost.written),
            "Calls of the policy": f"{cost.calls:.1f}", "The whole run took": describe_duration(cost.seconds),
        })  # fmt: skip
    st.dataframe(rows, hide_index=True, alt="What each side cost")


def _tokens(count: float | None) -> str:
    return "not counted" if count is None else f"{count:,.0f}"
