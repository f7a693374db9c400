"""The presets: one is chosen by its name, or among cards that say paradigm, model, needs and minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from app.compose.menu import GIVEN, ROUND, SWAPPED, name_of
from app.markup.labels import figures_row
from app.markup.safe_text import escape_markdown
from app.reads.engine import database_engine
from memfactory_core import config
from memfactory_core.assembly.presets import Card, Preset, describe_preset, list_presets
from memfactory_core.errors import MemFactoryError
from memfactory_core.runs import database
from memfactory_core.tasks.sentences import split_sentences

FIRST = "memagent-tiny"
OPENED = "compose.run"
"""In the session: the run that was opened here."""
LONGEST_ABOUT = 1200
"""Characters of what a preset says of itself."""
CARD_ABOUT = 220
"""The same on a card."""
COLUMNS = 2
"""Cards beside each other."""


@st.cache_data(show_spinner="Reading the presets")
def read_presets() -> dict[str, Preset]:
    """The presets that come with the package, by name, in the order in which they are offered."""
    return {preset.name: preset for preset in list_presets()}


def choose_preset() -> tuple[str, dict[str, Any]]:
    """The preset's name and its values. A run that the address names is one more preset, and the chosen one at first:
    its record is a recipe."""
    presets = read_presets()
    if run := _find_run():
        presets = {run.name: run} | presets
    if st.session_state.get("preset") not in {None, *presets}:  # a run that is here no more
        del st.session_state["preset"]
        reset()
    first = list(presets).index(FIRST) if FIRST in presets else 0
    chosen, all_of_them, again = st.columns([2.4, 1, 1], vertical_alignment="bottom")
    name = chosen.selectbox(
        "Preset", list(presets), first, key="preset", on_change=_leave_run, persist_state="session",
        format_func=lambda name: presets[name].title,
    )  # fmt: skip
    if all_of_them.button(
        "All presets", icon=":material/grid_view:", width="stretch", key="presets"
    ):
        _show_cards(list(presets.values()))
    again.button(
        "Reset", icon=":material/restart_alt:", on_click=reset, width="stretch", key="reset",
        help="Forget what was typed and go back to the preset",
    )  # fmt: skip
    st.html(figures_row(_figures(presets[name])))
    st.caption(_describe(presets[name].about))
    return name, config.read(name)


def _find_run() -> Preset | None:
    """The run that the address names, else the one that was opened last, as a preset; None where there is none, said in
    words where its record cannot be read. One that the address names is the chosen preset: choosing another takes it
    out of the address."""
    named = st.query_params.get("run")
    run_id = named or st.session_state.get(OPENED)
    if not run_id:
        return None
    try:
        run = database.get_run(database_engine(), run_id)
        found = describe_preset(str(Path(run.folder) / "run.json"))
    except MemFactoryError as error:
        if st.session_state.get(OPENED) == run_id:
            del st.session_state[OPENED]
        if named:
            st.warning(escape_markdown(str(error), 400), icon=":material/warning:")
        return None
    if named and st.session_state.get("preset") != found.name:
        st.session_state["preset"] = found.name
        st.session_state[OPENED] = run.id
        reset()
    device = "GPU" if run.device.startswith("cuda") else "CPU"
    minutes = (
        round(run.elapsed(run.ended) / 60, 1) if run.ended and run.state == "finished" else None
    )
    card = Card(device=device, minutes=minutes, measured="for this run")
    return found.model_copy(
        update={
            "title": f"Run {run.id}: {found.title}",
            "card": card,
            "needs": (device, *found.needs[1:]),
        }
    )


def _leave_run() -> None:
    """Another preset was chosen: the address names the run no more, so that opening it again is seen."""
    st.query_params.pop("run", None)
    reset()


def reset() -> None:
    """New keys for all widgets, which forget what was typed; swaps are forgotten too."""
    st.session_state[ROUND] = st.session_state.get(ROUND, 0) + 1
    for name in (GIVEN, SWAPPED):
        st.session_state.pop(name, None)


@st.dialog("Presets", width="large")
def _show_cards(presets: list[Preset]) -> None:
    """A card each; one press takes it."""
    for start in range(0, len(presets), COLUMNS):
        for column, preset in zip(
            st.columns(COLUMNS), presets[start : start + COLUMNS], strict=False
        ):
            with column.container(border=True, height="stretch"):
                st.markdown(f"**{escape_markdown(preset.title)}**")
                st.html(figures_row(_figures(preset)))
                st.caption(_describe(_first_sentences(preset.about)))
                if st.button(
                    "Take it", key=f"preset.{preset.name}", on_click=_take, args=(preset.name,)
                ):
                    st.rerun()


def _describe(about: str) -> str:
    """What a preset says of itself, for a page: the marks around its commands are left out."""
    return escape_markdown(about.replace("`", ""), LONGEST_ABOUT)


def _first_sentences(about: str) -> str:
    """As many whole sentences as a card has room for, one at least."""
    told = ""
    for sentence in split_sentences(about):
        if told and len(told) + len(sentence) >= CARD_ABOUT:
            break
        told = f"{told} {sentence}".strip()
    return told


def _take(name: str) -> None:
    st.session_state["preset"] = name
    _leave_run()


def _figures(preset: Preset) -> dict[str, str]:
    """What a card says."""
    return {
        "Paradigm": name_of(preset.paradigm),
        "Model": preset.model,
        "Needs": " and ".join(preset.needs),
        "Takes": preset.time_in_words(),
    }
