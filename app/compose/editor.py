"""A run put together: a preset, its form, what is wrong with it, its command, and the start."""

from __future__ import annotations

from typing import Any

import streamlit as st
from pydantic import ValidationError

from app.compose.fields import field_label
from app.compose.forms import edit_group, edit_settings, is_group
from app.markup.labels import figures_row
from app.markup.safe_text import escape_markdown
from app.reads.engine import database_engine
from app.shell.pages import page
from app.shell.widgets import errors_in_words
from memfactory_core import config
from memfactory_core.assembly.command import find_assignments, write_command
from memfactory_core.assignment import explain
from memfactory_core.config import RunConfig
from memfactory_core.runs import jobs
from memfactory_core.runs.footprint import foresee

FIRST_PRESET = "memagent-tiny"
UNUSED = {
    "train": {"retrieval", "reranking"},
    "imitate": {"training", "retention", "retrieval", "reranking"},
    "evaluate": {"imitation", "training", "retention", "retrieval", "reranking"},
    "retrieve": {"reward", "imitation", "training", "retention", "reranking"},
    "rerank": {"reward", "imitation", "training", "retention"},
}
"""Groups of settings that a mode does not use."""


def compose_run() -> None:
    """The form on the left; on the right what it makes, which can be started."""
    form, panel = st.columns([1.55, 1], gap="large")
    with form:
        preset, given = _choose_preset()
        typed = given | _edit(preset, given)
    built, problems = check(typed)
    with panel, st.container(border=True):
        for problem in problems:
            st.error(problem, icon=":material/error:")
        if built:
            _show_size(built)
        if st.button(
            "Start", type="primary", icon=":material/play_arrow:", disabled=not built,
            width="stretch",
        ) and built:  # fmt: skip
            with errors_in_words():
                _start(built)
        if built:
            _show_files(preset, given, built)


def _choose_preset() -> tuple[str, dict[str, Any]]:
    """The preset's name and its values."""
    names = {name: config.read(name) for name in config.recipes()}
    first = list(names).index(FIRST_PRESET) if FIRST_PRESET in names else 0
    chosen, again = st.columns([3, 1], vertical_alignment="bottom")
    preset = chosen.selectbox(
        "Preset", list(names), first, key="preset",
        format_func=lambda name: names[name].get("name", name), persist_state="session",
    )  # fmt: skip
    again.button(
        "Reset", icon=":material/restart_alt:", on_click=_reset, width="stretch",
        help="Forget what was typed and go back to the preset",
    )  # fmt: skip
    st.caption(escape_markdown(names[preset].get("about", "")))
    return preset, names[preset]


def _reset() -> None:
    """New keys for all widgets, which forget what was typed."""
    st.session_state["compose.round"] = st.session_state.get("compose.round", 0) + 1


def _edit(preset: str, given: dict[str, Any]) -> dict[str, Any]:
    """The single settings above, a tab for each group that the mode uses; what was typed."""
    key = f"{preset}.{st.session_state.get('compose.round', 0)}"
    fields = {n: f for n, f in RunConfig.model_fields.items() if n != "about"}
    single = [n for n, field in fields.items() if not is_group(field)]
    typed = edit_settings(RunConfig, given, key, only=single, widths=(2, 1.2, 1.2))
    groups = [n for n in fields if n not in single and n not in UNUSED[typed["mode"]]]
    for tab, name in zip(st.tabs([field_label(n) for n in groups]), groups, strict=True):
        with tab:
            typed[name] = edit_group(fields[name], name, given.get(name), f"{key}.{name}")
    return typed


def check(values: dict[str, Any]) -> tuple[RunConfig | None, list[str]]:
    """The configuration, or what is wrong with it."""
    try:
        return RunConfig.model_validate(values), []
    except ValidationError as error:
        return None, explain(error)


def _show_size(built: RunConfig) -> None:
    episodes = built.training.groups * built.training.group_size
    figures = {"Examples": f"{built.evaluation.examples:,}"}
    if built.mode == "train":
        figures = {"Steps": f"{built.training.steps:,}", "Episodes a step": f"{episodes:,}"}
    if built.mode == "imitate":
        figures = {
            "Steps": f"{built.imitation.steps:,}",
            "Demonstrations a step": f"{built.imitation.batch:,}",
        }
    st.html(figures_row(figures))
    if built.mode in ("train", "imitate", "evaluate"):
        st.caption(escape_markdown(f"Takes {foresee(database_engine(), built).in_words()}"))


def _start(chosen: RunConfig) -> None:
    run = jobs.begin(database_engine(), chosen)
    st.switch_page(page("runs"), query_params={"run": run.id})


def _show_files(preset: str, given: dict[str, Any], built: RunConfig) -> None:
    shell, file = st.tabs(["Command line", "TOML"])
    command = write_command(preset, find_assignments(given, built), built.mode)
    shell.code(command, language="bash", wrap_lines=True)
    file.code(built.to_toml(), language="toml", wrap_lines=True)
