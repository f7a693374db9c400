"""Paired differences: what the others score more or less than the first, on the same examples, and how surely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.compare.sides import label_side
from app.markup.safe_text import escape_markdown
from app.shell.widgets import table_with_download
from memfactory_core.rewards.shown import Shown
from memfactory_core.runs.attempts import Side
from memfactory_core.runs.comparison import Comparison
from memfactory_core.runs.score_table import shown_in


def show_differences(
    first: Side, others: Sequence[Side], found: Mapping[str, Comparison]
) -> None:  # fmt: skip
    """A sentence for each side, then all scores with their intervals."""
    st.subheader("Differences on the same examples")
    shown = shown_in([first.run, *(side.run for side in others)])
    for side in others:
        told = tell_difference(first, side, found[side.key])
        st.markdown(told)
    rows = [
        _row(side, name, row, shown)
        for side in others
        for name, row in found[side.key].scores.items()
    ]
    short = {shown.title(name) for name in [*shown.short(found[others[0].key].scores), "reward"]}
    main = [row for row in rows if row["Score"] in short]
    st.dataframe(
        [{k: v for k, v in row.items() if len(others) > 1 or k != "Run"} for row in main],
        hide_index=True, alt="Differences with their intervals",
    )  # fmt: skip
    st.caption(
        f"Each difference is the other minus {escape_markdown(label_side(first), 80)}, example by example; in brackets "
        "its 95% interval (bootstrap over whole texts). Where the interval holds 0, it may be chance."
    )
    if len(main) < len(rows):
        table_with_download(rows, "differences", "All scores as a table")


def tell_difference(first: Side, side: Side, compared: Comparison) -> str:
    """Right answers of both in one sentence, with how many examples it is about."""
    row = compared.scores["exact_match"]
    points = row["difference"] * 100
    one, other = (escape_markdown(label_side(one), 80) for one in (side, first))
    told = f"**{one}** gives as many right answers as **{other}**"
    if points:
        more = "more" if points > 0 else "fewer"
        told = f"**{one}** gives {abs(points):.1f} points {more} right answers than **{other}**"
    if row["low"] is None:
        told += ", about one text alone, so that nothing can be said of others."
    else:
        sure = "; this may be chance" if points and row["low"] <= 0 <= row["high"] else ""
        told += f" (95% interval {row['low'] * 100:+.1f} to {row['high'] * 100:+.1f}{sure})."
    return f"{told}  \n:small[{tell_shared(compared)}]"


def tell_shared(compared: Comparison) -> str:
    """How many examples are compared, and how many of each side are not."""
    count = compared.shared
    told = f"{count:,} shared {'example' if count == 1 else 'examples'}"
    left = [
        f"{number:,} of {which} alone {'is' if number == 1 else 'are'} left out"
        for number, which in ((compared.only_first, "the first"), (compared.only_second, "the other"))
        if number
    ]  # fmt: skip
    return f"{told}; {' and '.join(left)}" if left else f"{told}, all that both attempted"


def _row(side: Side, name: str, row: Mapping[str, Any], shown: Shown) -> dict[str, Any]:
    share = shown.is_share(name)
    scale, form = (100, ".1f") if share else (1, ".2f")

    def figure(value: float, sign: str = "") -> str:
        return f"{value * scale:{sign}{form}}"

    bounds = "no interval"
    if row["low"] is not None:
        bounds = f"[{figure(row['low'], '+')}, {figure(row['high'], '+')}]"
    return {
        "Run": label_side(side), "Score": shown.title(name), "First": figure(row["first"]),
        "Other": figure(row["second"]), "Difference": f"{figure(row['difference'], '+')} {bounds}",
        "Examples": row["n"],
    }  # fmt: skip
