"""The place in a run that a page shows (run, phase, step): chosen, kept in the address bar, and the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.markup.safe_text import escape_markdown, one_line
from app.reads.runs import find_run, label_runs
from app.reads.steps import find_nearest_step, find_place, find_step_range, list_phases
from app.shell.address import bind_to_address
from app.shell.links import link_to
from app.shell.pages import page
from app.shell.widgets import show_empty_state
from app.shell.words import describe_phase
from memfactory_core.runs.tables import Run


def choose_run(label: str = "Run", drops: Sequence[str] = ()) -> Run | None:
    """The run named in the address bar, or the newest; a box to choose another."""
    names = label_runs()
    wanted = st.query_params.get("run")
    if wanted and wanted not in names:
        known = find_run(wanted)
        if known:
            names[wanted] = known.name
        else:
            st.warning(
                f"There is no run {escape_markdown(wanted, 60)} here; this is the newest one."
            )
    if not names:
        return None
    bound = bind_to_address("run", list(names), drops=drops)
    chosen = st.selectbox(
        label, list(names), format_func=lambda name: one_line(names[name], 120), **bound
    )
    return find_run(chosen)


def choose_place(drops: Sequence[str] = ()) -> tuple[Run | None, str, int]:
    """Run, phase and step, from the address bar and to be changed; a phase of "" where the run has
    no episodes. A change drops the parameters that it `drops`."""
    which, how, when = st.columns([1.5, 1, 1.5], gap="medium")
    with which:
        run = choose_run(drops=("phase", "step", *drops))
    phases = list_phases(run.id) if run else []
    if run is None or not phases:
        return run, "", 0
    cold = find_place(run.id, st.query_params.get("episode", ""))
    start = cold[0] if cold else "train" if "train" in phases else phases[-1]
    bound = bind_to_address("phase", phases, start, drops=("step", *drops))
    phase = how.selectbox(
        "Phase", phases, format_func=lambda phase: describe_phase(phase, run.mode), **bound
    )
    first, last = find_step_range(run.id, phase)
    if first == last:
        return run, phase, first
    nearest = cold[1] if cold and cold[0] == phase else last
    bound = bind_to_address("step", range(first, last + 1), nearest, drops=drops)
    step = when.slider("Step", first, last, **bound)
    return run, phase, find_nearest_step(run.id, phase, step)


def choose_place_or_explain(thing: str, drops: Sequence[str]) -> tuple[Run, str, int] | None:
    """Run, phase and step to be chosen; None, said in words, where there is no such thing yet."""
    run, phase, step = choose_place(drops)
    if run is None:
        show_empty_state(f"There is no run yet, so there is no {thing}.")
        return None
    if not phase:
        show_empty_state("This run has no episodes yet: they appear while it evaluates and trains.")
        return None
    return run, phase, step


def show_breadcrumbs(run: Run, phase: str, step: int, group: str | None = None) -> None:
    """The way back: the run, its step's groups, the episode's group."""
    place = {"run": run.id, "phase": phase, "step": str(step)}
    links = {escape_markdown(run.name, 40): ("runs", {"run": run.id})}
    when = (
        f"step {step:,}"
        if phase == "train"
        else escape_markdown(describe_phase(phase, run.mode).lower())
    )
    if run.mode != "imported":  # the answers of a log are no attempts at one example
        links[f"Groups · {when}"] = ("groups", place)
    if group and len(links) > 1:
        links["This group"] = ("groups", place | {"group": group})
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for label, (name, params) in links.items():
            icon = ":material/chevron_right:" if name != "runs" else ":material/arrow_back:"
            link_to(name, label, f"way.{label}", icon, "content", **params)


def link_to_episode(
    place: Mapping[str, Any],
    label: str = "Open",
    event: int | None = None,
    icon: str = ":material/arrow_forward:",
) -> None:
    """A link to an episode (its `place`: run, phase, step, episode), at one of its events where one is
    given."""
    params = {name: str(value) for name, value in place.items()}
    if event is not None:
        params |= {"view": "steps", "event": str(event)}
    st.page_link(page("episode"), label=label, icon=icon, query_params=params)
