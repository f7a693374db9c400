"""Evaluations put together: who is measured on what, what of it is refused and why, the commands, the start."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import streamlit as st

from app.evaluate.agents import choose_agents, choose_runs
from app.evaluate.results import REFUSED
from app.evaluate.tasks import choose_counts, choose_tasks
from app.markup.safe_text import escape_markdown
from app.reads.engine import database_engine
from app.reads.runs import list_measurable
from app.shell.links import go_to
from app.shell.widgets import errors_in_words, show_empty_state
from memfactory_core.errors import MemFactoryError, RunError
from memfactory_core.runs import jobs
from memfactory_core.runs.evaluations import Planned, plan_evaluations

MOST_AT_ONCE = 64
"""Evaluations that one click begins at most."""
MOST_LISTED = 12
"""Evaluations that are named one by one before the start."""


def compose_evaluations() -> None:
    """The form on the left; on the right what would be measured, which can be started."""
    runs = list_measurable()
    if not runs:
        show_empty_state("There is no run yet whose agent could be measured.")
        return
    form, panel = st.columns([1.55, 1], gap="large")
    with form:
        chosen = choose_runs(runs)
        agents = choose_agents()
        tasks = choose_tasks()
        counts = choose_counts()
    planned = plan_evaluations(database_engine(), chosen, agents, tasks, counts)
    with panel, st.container(border=True):
        _show_plan(planned)


def _show_plan(planned: Sequence[Planned]) -> None:
    ready = [one for one in planned if one.config]
    st.markdown(f"**{len(ready):,} {'evaluation' if len(ready) == 1 else 'evaluations'}**")
    if not planned:
        st.caption("Choose at least one run, one agent and one task.")
    for name in [one.config.name for one in ready if one.config][:MOST_LISTED]:
        st.markdown(f"- {escape_markdown(name, 100)}")
    if len(ready) > MOST_LISTED:
        st.caption(f"and {len(ready) - MOST_LISTED:,} more")
    for reason in dict.fromkeys(one.refusal for one in planned if one.refusal):
        st.warning(f"Left out: {escape_markdown(reason, 400)}", icon=":material/block:")
    if too_many := len(ready) > MOST_AT_ONCE:
        st.error(f"At most {MOST_AT_ONCE} evaluations are begun at once.", icon=":material/error:")
    if st.button(
        "Start", type="primary", icon=":material/play_arrow:", width="stretch",
        disabled=not ready or too_many, key="evaluate.start",
    ):  # fmt: skip
        with errors_in_words():
            _start(ready)
    if ready:
        st.caption("The same from the shell:")
        commands = "\n".join(eval_command(one) for one in ready[:MOST_AT_ONCE])
        st.code(commands, language="bash", wrap_lines=True, height="content" if len(ready) < 5 else 260)  # fmt: skip


def eval_command(one: Planned) -> str:
    """The shell command that makes the same evaluation."""
    sets = "".join(f" --set {shlex.quote(assignment)}" for assignment in one.assignments)
    return f"memfactory eval {one.run.id}{sets}"


def _start(ready: Sequence[Planned]) -> None:
    """Puts them into the queue and goes to where their scores will stand, and where it is said which of them was
    refused."""
    engine = database_engine()
    begun, refused = [], []
    for config in [one.config for one in ready if one.config]:
        try:
            begun.append(jobs.begin(engine, config))
        except MemFactoryError as error:
            refused.append(f"{config.name}: {error}")
    if not begun:
        raise RunError(f"no evaluation was begun. {refused[0]}")
    st.session_state[REFUSED] = refused
    go_to("evaluate", view="results", runs=",".join(run.id for run in begun))
