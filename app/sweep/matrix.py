"""A sweep as a matrix: a row and a column for each value, each cell its run's score and the way to it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.markup.safe_text import escape_markdown, one_line
from app.reads.engine import database_engine
from app.shell.address import bind_to_address
from app.shell.links import link_to
from app.shell.status import STATE_LOOKS
from app.shell.widgets import keep_current
from app.shell.words import describe_age
from app.sweep.start import sweep_command
from memfactory_core.rewards.shown import Shown
from memfactory_core.runs.score_table import collect_scores, score_names, shown_in
from memfactory_core.runs.sweeps import Sweep, find_sweep, list_sweeps
from memfactory_core.runs.table_formats import describe_figures
from memfactory_core.runs.tables import ACTIVE, Run


def show_sweeps() -> None:
    """One sweep, chosen by what it varies, kept current."""
    sweeps = {sweep.id: sweep for sweep in list_sweeps(database_engine())}
    if not sweeps:
        st.info(
            "There is no sweep yet: vary a part under *Start*, or run `memfactory sweep`.",
            icon=":material/grid_on:",
        )
        return
    chosen = st.selectbox(
        "Sweep", list(sweeps), format_func=lambda name: label_sweep(sweeps[name]),
        **bind_to_address("sweep", list(sweeps), drops=("score",)),
    )  # fmt: skip

    def read() -> Sweep:
        now = find_sweep(database_engine(), chosen)
        if now is None:  # its runs were deleted meanwhile
            st.rerun()
        return now

    keep_current(
        lambda: _show_matrix(read()),
        lambda: any(run.state in ACTIVE for run in read().runs.values()),
    )


def label_sweep(sweep: Sweep) -> str:
    """What a sweep varies, of what, and when."""
    varied = " × ".join(path.rpartition(".")[2] for path, _ in sweep.axes)
    begun = min(run.created for run in sweep.runs.values())
    return one_line(f"{sweep.plan.recipe}: {varied}, {describe_age(begun)}", 110)


def _show_matrix(sweep: Sweep) -> None:
    runs = list(sweep.runs.values())
    done = sum(run.state not in ACTIVE for run in runs)
    if done < len(runs):
        st.progress(done / len(runs), f"{done:,} of {len(runs):,} runs have ended")
    shown = shown_in(runs)
    scored = [row for row in collect_scores(runs, categories=False) if row.when != "before"]
    names = score_names(scored, shown)
    score = None
    if names:
        score = st.selectbox(
            "Score", names, format_func=shown.title, **bind_to_address("score", names)
        )
    axes = sweep.axes
    rest = axes[2:]
    fixed = [
        st.selectbox(escape_markdown(path), values, **bind_to_address(f"at.{path}", values))
        for path, values in rest
    ]
    (row_path, row_values), (column_path, column_values) = (
        axes[0],
        axes[1] if len(axes) > 1 else ("", [""]),
    )
    refusals = sweep.refusals()
    head = st.columns([1.2, *[1] * len(column_values)], vertical_alignment="bottom")
    head[0].caption(
        f"{escape_markdown(row_path)} ↓"
        + (f"  \n{escape_markdown(column_path)}\u00a0→" if column_path else "")
    )
    for column, value in zip(head[1:], column_values, strict=True):
        column.markdown(f"**{escape_markdown(value or 'result', 40)}**")
    with st.container(key="matrix", gap="small"):
        for row_value in row_values:
            line = st.columns([1.2, *[1] * len(column_values)], vertical_alignment="center")
            line[0].markdown(f"**{escape_markdown(row_value, 40)}**")
            for column, column_value in zip(line[1:], column_values, strict=True):
                place = _assignments(axes, [row_value, column_value, *fixed])
                with column.container(border=True):
                    _show_cell(sweep.runs.get(place), refusals.get(place, ""), score, shown)
    if score:
        title = escape_markdown(shown.title(score))
        percent = " in percent" if shown.is_share(score) else ""
        st.caption(
            f"{title}{percent}, greedy, after training where there was one, with its 95% interval."
        )
    st.code(sweep_command(sweep.plan), language="bash", wrap_lines=True)
    link_to(
        "evaluate", "All scores as one table", "table", ":material/table:",
        view="results", runs=",".join(run.id for run in runs),
    )  # fmt: skip


def _assignments(axes: Sequence[tuple[str, list[str]]], values: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{path}={value}" for (path, _), value in zip(axes, values, strict=False))


def _show_cell(run: Run | None, refusal: str, score: str | None, shown: Shown) -> None:
    """A run's score as a link to it; its state where it has none yet; why there is no run."""
    if run is None:
        st.markdown(
            ":small[refused]" if refusal else ":small[no run]",
            help=escape_markdown(refusal, 400) or None,
        )
        return
    rows = [row for row in collect_scores([run], categories=False) if row.when != "before"]
    figures = next((row.scores[score] for row in rows if score in row.scores), None)
    mean, _, bounds = describe_figures(figures, shown.is_share(score or "")).partition(" ")
    label = f"**{mean}**" if figures else escape_markdown(run.state)
    icon = "" if figures else STATE_LOOKS.get(run.state, (":material/help:", "gray"))[0]
    link_to("runs", label, f"cell.{run.id}", icon, run=run.id)
    if figures:
        st.markdown(f":small[{escape_markdown(bounds)}]")
