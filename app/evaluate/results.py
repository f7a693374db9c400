"""The scores of evaluations in one table, kept current while some are under way; its files; the wrong answers."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.evaluate.failures import show_failures
from app.markup.safe_text import escape_markdown, one_line
from app.reads.runs import find_runs, list_measured
from app.shell.address import bind_list_to_address, bind_to_address
from app.shell.pages import page
from app.shell.status import describe_progress, show_state
from app.shell.widgets import keep_current
from memfactory_core.cli.table import table_notes, table_of
from memfactory_core.runs.labels import tell_apart
from memfactory_core.runs.score_table import ALL, ScoreRow, collect_scores, score_names, shown_in
from memfactory_core.runs.table_formats import ENDINGS, Format, describe_count, describe_figures
from memfactory_core.runs.tables import ACTIVE, Run

FILES: dict[Format, str] = {
    "csv": "CSV", "json": "JSON", "latex": "LaTeX", "markdown": "Markdown",
}  # fmt: skip
REFUSED = "evaluate.refused"
"""In the session: which of the evaluations that were just begun were refused and why; said once."""
FIRST_SCORES = 4
"""Scores that the table shows at first."""


def show_evaluations() -> None:
    """The runs of the table, chosen by name, and what was found."""
    for told in st.session_state.pop(REFUSED, []):
        st.warning(f"Not begun: {escape_markdown(told, 500)}", icon=":material/block:")
    runs = list_measured()
    labels = tell_apart((run.id, run.name, run.created) for run in runs)
    chosen = st.multiselect(
        "Runs in the table", list(labels), placeholder="Choose runs by name", wrap=True,
        format_func=lambda run: one_line(labels[run], 100), **bind_list_to_address("runs", list(labels)),
    )  # fmt: skip
    if not chosen:
        st.info("Choose the runs whose scores are laid side by side.", icon=":material/table:")
        return
    keep_current(
        lambda: _show_scores(find_runs(chosen)),
        lambda: any(run.state in ACTIVE for run in find_runs(chosen)),
    )


def _show_scores(runs: list[Run]) -> None:
    _show_progress(runs)
    _show_table(runs)


def _show_progress(runs: list[Run]) -> None:
    """A line for each run that has no scores yet, with its state and how far it is."""
    waiting = [run for run in runs if run.state in ACTIVE or not run.summary.get("after")]
    if not waiting:
        return
    done = len(runs) - len(waiting)
    st.progress(done / len(runs), f"{done:,} of {len(runs):,} measured")
    for run in waiting:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            show_state(run)
            st.page_link(
                page("runs"), label=escape_markdown(run.name), query_params={"run": run.id},
                width="content",
            )  # fmt: skip
            told = describe_progress(run) if run.state in ACTIVE else escape_markdown(run.reason)
            st.caption(told or "it has no scores", width="content")


def _show_table(runs: list[Run]) -> None:
    rows = collect_scores(runs)
    if not rows:
        st.caption("Scores stand here as soon as the first evaluation has ended.")
        return
    shown = shown_in(runs)
    names = score_names(rows, shown)
    decodings = list(dict.fromkeys(row.decoding for row in rows))
    first, second, third = st.columns([1.2, 2.4, 1], gap="medium", vertical_alignment="bottom")
    with first:
        decoding = st.selectbox(
            "Decoding", [ALL, *decodings], help=DECODING_HELP,
            **bind_to_address("decoding", [ALL, *decodings], decodings[0]),
        )  # fmt: skip
    start = score_names(rows, shown, short=True)[:FIRST_SCORES]
    scores = second.multiselect(
        "Scores", names, default=start, format_func=shown.title, key="evaluate.scores", wrap=True
    )
    some = any(row.category != ALL for row in rows)
    split = third.toggle("By category", value=some, disabled=not some, key="evaluate.categories")
    listed = [
        row
        for row in rows
        if decoding in (ALL, row.decoding) and (split or row.category == ALL)
    ]  # fmt: skip
    table = [_cells(row, scores, shown, rows) for row in listed]
    st.dataframe(table, hide_index=True, alt="Scores of the chosen runs with their intervals")
    shares = "Shares in percent. " if any(map(shown.is_share, scores)) else ""
    st.caption(f"{shares}In brackets the 95% interval (bootstrap over whole texts).")
    if notes := table_notes(runs):
        with st.expander("What was measured, and how it was drawn"):
            for note in notes:
                st.caption(escape_markdown(note, 600))
    _show_files(runs, scores)
    show_failures(runs)


DECODING_HELP = (
    "Greedy: one attempt, always the likeliest word. avg@k: k attempts at temperature 1, their mean; what a "
    "policy does when it is allowed to vary."
)


def _cells(
    row: ScoreRow, scores: list[str], shown: Any, rows: list[ScoreRow]
) -> dict[str, str]:  # fmt: skip
    """One row as words; a column that says the same of every row is left out."""
    places = {
        "Run": row.name, "Training": row.when, "Task": row.task, "Decoding": row.decoding,
        "Category": row.category,
    }  # fmt: skip
    varies = {"Training": "when", "Task": "task", "Category": "category"}
    kept = {
        head: one_line(value, 100)
        for head, value in places.items()
        if head not in varies or len({getattr(one, varies[head]) for one in rows}) > 1
    }
    figures = {
        shown.title(name): describe_figures(row.scores.get(name), shown.is_share(name))
        for name in scores
    }
    return kept | {"n": describe_count(row)} | figures


def _show_files(runs: list[Run], scores: list[str]) -> None:
    """The table as a file of each format, and the command that prints the same."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for format_, label in FILES.items():
            st.download_button(
                label, table_of(runs, format_, scores), f"scores.{ENDINGS[format_]}",
                key=f"evaluate.file.{format_}", icon=":material/download:", on_click="ignore",
            )  # fmt: skip
    st.code(table_command(runs, scores), language="bash", wrap_lines=True)


def table_command(runs: list[Run], scores: list[str]) -> str:
    """The shell command that prints the table."""
    ids = " ".join(run.id for run in runs)
    chosen = f" --scores {','.join(scores)}" if scores else ""
    return f"memfactory table {ids}{chosen} --format markdown"
