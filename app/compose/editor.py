"""A run put together: a preset, its form, what is wrong with it, its command, and the start."""

from __future__ import annotations

from typing import Any

import streamlit as st
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from app.compose.before_start import offer_episode, show_checks
from app.compose.data_file import show_data_file
from app.compose.fields import field_label
from app.compose.forms import edit_group, edit_settings, is_group
from app.compose.menu import GIVEN, ROUND, SWAPPED, choose_kind
from app.compose.picture import edit_picture
from app.compose.presets import choose_preset
from app.markup.labels import figures_row
from app.markup.safe_text import escape_markdown
from app.reads.engine import database_engine
from app.shell.pages import page
from app.shell.widgets import errors_in_words
from memfactory_core.assembly.command import find_assignments, write_command
from memfactory_core.assembly.schema import default_of, unwrap
from memfactory_core.assignment import explain
from memfactory_core.config import RunConfig, recipes
from memfactory_core.runs import jobs
from memfactory_core.runs.preloaded import preload

UNUSED = {
    "train": {"retrieval", "reranking"},
    "imitate": {"training", "retention", "retrieval", "reranking"},
    "evaluate": {"imitation", "training", "retention", "retrieval", "reranking"},
    "retrieve": {"reward", "imitation", "training", "retention", "reranking"},
    "rerank": {"reward", "imitation", "training", "retention"},
}
"""Groups of settings that a mode does not use."""
SELDOM = ("roles", "retention")
"""Groups that are seldom changed: their tabs come last."""


def compose_run() -> None:
    """The preset, the picture of its parts, the form of the rest; on the right what it makes, which can be started."""
    preload()  # while the run is put together, so that its start is quick
    preset, recipe = choose_preset()
    given = st.session_state.get(GIVEN) or recipe
    # a run's record names every setting: those that differ from the defaults come first
    named = recipe if preset in recipes() else dict.fromkeys(("name", "mode", "seed"))
    key = f"{preset}.{st.session_state.get(ROUND, 0)}"
    fields = {n: f for n, f in RunConfig.model_fields.items() if n != "about"}
    single = [n for n, field in fields.items() if not is_group(field)]
    shown = {n: given[n] for n in single if n in named or given.get(n) != default_of(fields[n])}
    typed = given | edit_settings(RunConfig, shown, key, only=single, widths=(2, 1.2, 1.2))
    if told := st.session_state.get(SWAPPED):
        st.info(told, icon=":material/swap_horiz:")
    drawn, asked = edit_picture(_whole(given), key)
    typed |= drawn
    place = st.container()
    form, panel = st.columns([1.55, 1], gap="large")
    with form:
        typed |= _edit_groups(fields, [*single, *drawn], named, given, typed["mode"], key)
    with (
        place
    ):  # filled after the tabs: a file or a column starts the form anew from all that was typed
        show_data_file(_whole(typed), key)
    with panel, st.container(border=True):
        _show_panel(preset, recipe, typed)
    if asked:
        choose_kind(asked, _whole(typed))


def _show_panel(preset: str, recipe: dict[str, Any], typed: dict[str, Any]) -> None:
    """What the form makes, what that needs, and its start, which every red line holds back."""
    built, problems = check(typed)
    for problem in problems:
        st.error(escape_markdown(problem, 800), icon=":material/error:")
    ready = False
    if built:
        _show_size(built)
        ready = show_checks(built)
        offer_episode(built, ready)
    if st.button(
        "Start", type="primary", icon=":material/play_arrow:", disabled=not ready, width="stretch",
    ) and built and ready:  # fmt: skip
        with errors_in_words():
            _start(built)
    if built:
        _show_files(preset, recipe, built)


def _whole(values: dict[str, Any]) -> dict[str, Any]:
    """A recipe's values with every part as a table, its settings filled in where the recipe is valid."""
    built, _ = check(values)
    if built:
        return built.dump()
    parts = {name: values[name] for name in ("task", "paradigm", "policy")}
    return values | {n: {"kind": p} if isinstance(p, str) else p for n, p in parts.items()}


def _edit_groups(
    fields: dict[str, Any],
    shown: list[str],
    recipe: dict[str, Any],
    given: dict[str, Any],
    mode: str,
    key: str,
) -> dict[str, Any]:
    """A tab for each group that the mode uses and the picture does not show; what was typed. Of a group that has been
    typed into, what the recipe names still comes first."""
    typed: dict[str, Any] = {}
    groups = [n for n in fields if n not in shown and n not in UNUSED[mode]]
    groups.sort(key=lambda name: name in SELDOM)
    for tab, name in zip(st.tabs([field_label(n) for n in groups]), groups, strict=True):
        values = _thin(fields[name], recipe.get(name), given.get(name))
        with tab:
            typed[name] = edit_group(fields[name], name, values, f"{key}.{name}")
    return typed


def _thin(field: FieldInfo, named: Any, values: Any) -> Any:
    """A group's values without those that stand at their default and that the recipe does not name."""
    model = unwrap(field.annotation)[0]
    is_model = isinstance(model, type) and issubclass(model, BaseModel)
    if not (is_model and isinstance(values, dict)):
        return values
    usual = {name: default_of(one) for name, one in model.model_fields.items()}
    return {n: v for n, v in values.items() if n in (named or ()) or v != usual.get(n)}


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


def _start(chosen: RunConfig) -> None:
    run = jobs.begin(database_engine(), chosen)
    st.switch_page(page("runs"), query_params={"run": run.id})


def _show_files(preset: str, given: dict[str, Any], built: RunConfig) -> None:
    shell, file = st.tabs(["Command line", "TOML"])
    command = write_command(preset, find_assignments(given, built), built.mode)
    shell.code(command, language="bash", wrap_lines=True)
    file.code(built.to_toml(), language="toml", wrap_lines=True)
