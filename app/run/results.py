"""A run's scores before and after training, as chart and table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app.markup.safe_text import escape_markdown
from app.run import charts
from app.run.terms import show_terms
from app.shell.widgets import show_chart
from app.shell.words import begin_upper, describe_moment
from memfactory_core.cli.report import (
    by_category,
    evaluations,
    gate_lines,
    judge_lines,
    measured_lines,
)
from memfactory_core.rewards.shown import Shown
from memfactory_core.runs.tables import ENDED, Run

DECODING_LABELS = {
    "greedy": "Greedy decoding",
    "sampled": "Sampled at temperature 1, mean over attempts",
    "scrambled": "Control: answered from the memory of another text",
}


def show_results(run: Run) -> None:
    """Scores before and after training, as chart and table."""
    before, after = run.summary.get("before", {}), run.summary.get("after", {})
    sides = {label: run.summary.get(when, {}) for when, label in evaluations(run).items()}
    if not any(sides.values()):
        reason = "The first evaluation is not finished yet."
        if run.state in ENDED:
            reason = "This run ended before its first evaluation was finished."
        st.info(reason, icon=":material/hourglass_top:")
        return
    if run.mode in ("retrieve", "rerank"):
        _show_retrievers(before, after)
        _show_measured(run)
        return
    for mode, title in DECODING_LABELS.items():
        shares, figures = _measured(
            mode,
            Shown(run.settings.get("reward", {})),
            {k: v for s in sides.values() for k, v in s.items()},
        )
        if not shares and not figures:
            continue
        st.markdown(f"**{title}**")
        left, table = st.columns([1.15, 1], gap="large")
        with left:
            figure = charts.before_after_figure(
                {describe_moment(label): values for label, values in sides.items()}, shares
            )
            alt = f"{title}: means and intervals, the same as in the table beside it"
            show_chart(figure, f"results.{mode}", alt)
        columns = {"Score": [*map(escape_markdown, [*shares.values(), *figures.values()])]}
        for side, values in sides.items():
            if values:
                columns[side] = [describe_interval(values.get(name), True) for name in shares]
                columns[side] += [describe_interval(values.get(name)) for name in figures]
        table.table(columns)
    _show_categories(run, sides)
    for line in [*gate_lines(run), *judge_lines(run)]:
        st.caption(escape_markdown(begin_upper(line), 600))
    _show_measured(run)
    st.caption(
        "Means over held-out examples with their 95% intervals. *Read when kept* "
        "counts only examples whose needed facts were kept."
    )
    measured = {path.split("/")[1] for side in sides.values() for path in side}
    show_terms(Shown(run.settings.get("reward", {})), measured - {"reward"})


def _show_measured(run: Run) -> None:
    for line in measured_lines(run):
        st.caption(escape_markdown(begin_upper(line), 600))


def _show_categories(run: Run, sides: Mapping[str, Mapping[str, Any]]) -> None:
    categories = by_category(run.summary)
    if not categories:
        return
    st.markdown("**Answers by category of question**, one greedy attempt")
    columns: dict[str, list[str]] = {"Score": [], "Category": []}
    shown = Shown(run.settings.get("reward", {}))
    for name, category in categories:
        columns["Score"].append(escape_markdown(shown.title(name)))
        columns["Category"].append(escape_markdown(category, 80))
    for side, values in sides.items():
        if values:
            columns[side] = [
                describe_interval(values.get(f"greedy/{n}/{c}"), True) for n, c in categories
            ]
    st.table(columns)


def _show_retrievers(before: dict[str, Any], after: dict[str, Any]) -> None:
    for title, values in (("Before training", before), ("After training" if before else "", after)):
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        for path, value in values.items():
            retriever, category, score = path.split("/")
            row = rows.setdefault((retriever, category), {})
            row |= {
                "Retriever": retriever,
                "Category": category,
                score: describe_interval(value, True),
            }
        if rows:
            st.markdown(f"**{title}**")
            st.dataframe(list(rows.values()), hide_index=True, alt=title or "Retrievers compared")


def _measured(
    mode: str, shown: Shown, values: dict[str, Any]
) -> tuple[dict[str, str], dict[str, str]]:
    """The titles of what was measured, by path: those in percent and the others."""
    names = [path.split("/")[1] for path in values if path.split("/")[0] == mode]
    titles = {name: shown.title(name) for name in shown.in_order(names) if name != "reward"}
    shares = {f"{mode}/{n}": title for n, title in titles.items() if shown.is_share(n)}
    others = {f"{mode}/{n}": title for n, title in titles.items() if not shown.is_share(n)}
    return shares, others


def describe_interval(value: dict[str, Any] | None, share: bool = False) -> str:
    """A mean with its interval in words; one text alone gives none."""
    if not value:
        return "–"
    mean, low, high = value["mean"], value["low"], value["high"]
    if low is None:
        return f"{mean:.0%} (no interval)" if share else f"{mean:.1f} (no interval)"
    if share:
        return f"{mean:.0%} ({low * 100:.0f} to {high * 100:.0f})"
    return f"{mean:.1f} ({low:.1f} to {high:.1f})"
