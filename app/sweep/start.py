"""A sweep put together: what is varied, which cells are legal, the command, the start."""

from __future__ import annotations

import shlex

import streamlit as st

from app.markup.safe_text import escape_markdown
from app.reads.engine import database_engine
from app.shell.links import go_to
from app.shell.words import begin_upper
from app.sweep.axes import NONE, choose_axis, choose_fixed, choose_recipe
from memfactory_core.runs.sweeps import Plan, begin_sweep, tell_unlike

MOST_CELLS = 64
"""Runs that one click begins at most."""


def compose_sweep() -> None:
    """The form on the left; on the right what it makes, which can be started."""
    form, panel = st.columns([1.55, 1], gap="large")
    with form:
        recipe = choose_recipe()
        rows = choose_axis("Rows", "sweep.rows", "paradigm.retriever")
        columns = choose_axis("Columns", "sweep.columns", NONE, optional=True)
        fixed = choose_fixed()
    grid = tuple(axis for axis in (rows, columns) if axis)
    with panel, st.container(border=True):
        if not grid:
            st.caption("Choose what is varied, and at least one value.")
            return
        _show_plan(Plan(recipe, grid, fixed))


def _show_plan(plan: Plan) -> None:
    cells = plan.cells()
    legal = [cell for cell in cells if cell.config]
    count = len(legal)
    st.markdown(f"**{count:,} of {len(cells):,} combinations** can run")
    for cell in cells:
        if cell.refusal:
            what = escape_markdown(", ".join(cell.assignments), 120)
            why = cell.refusal.removeprefix(f"{plan.recipe}: ").removeprefix("settings: ")
            st.warning(
                f"{what}  \n{escape_markdown(begin_upper(why), 300)}", icon=":material/block:"
            )
    if unlike := tell_unlike(plan.recipe, cells):
        st.warning(escape_markdown(f"{unlike}."), icon=":material/balance:")
    if count > MOST_CELLS:
        st.error(f"At most {MOST_CELLS} runs are begun at once.", icon=":material/error:")
    if st.button(
        "Start", type="primary", icon=":material/play_arrow:", width="stretch", key="sweep.start",
        disabled=not 0 < count <= MOST_CELLS,
    ):  # fmt: skip
        go_to("sweep", view="matrix", sweep=begin_sweep(database_engine(), plan))
    st.caption("The same from the shell:")
    st.code(sweep_command(plan), language="bash", wrap_lines=True)


def sweep_command(plan: Plan) -> str:
    """The shell command that makes the same sweep."""
    words = [f"memfactory sweep {shlex.quote(plan.recipe)}"]
    words += [f"--grid {shlex.quote(axis)}" for axis in plan.grid]
    words += [f"--set {shlex.quote(assignment)}" for assignment in plan.fixed]
    return " \\\n  ".join(words)
