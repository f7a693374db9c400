"""Assemble a run from a preset and forms, check it, start it."""

import streamlit as st
from pydantic import ValidationError

from app.compose import command
from app.compose.fields import field_label
from app.compose.forms import edit_group, edit_settings, is_group
from app.markup.labels import figures_row
from app.markup.safe_text import escape_markdown
from app.reads.engine import database_engine
from app.shell.pages import page
from app.shell.widgets import errors_in_words
from memfactory_core import config
from memfactory_core.config import RunConfig
from memfactory_core.runs import jobs

FIRST = "memagent-tiny"
UNUSED = {
    "train": {"retrieval", "reranking"},
    "evaluate": {"training", "retrieval", "reranking"},
    "retrieve": {"reward", "training", "reranking"},
    "rerank": {"reward", "training"},
}


def reset() -> None:
    st.session_state["compose.round"] = st.session_state.get("compose.round", 0) + 1


def start(chosen: RunConfig) -> None:
    engine = database_engine()
    run = jobs.start(engine, jobs.create(engine, chosen))
    st.switch_page(page("runs"), query_params={"run": run.id})


def check(values: dict) -> tuple[RunConfig | None, list[str]]:
    try:
        return RunConfig.model_validate(values), []
    except ValidationError as error:
        return None, config.explain(error)


st.title("Compose a run")
with errors_in_words():
    names = {name: config.read(name) for name in config.recipes()}
    start_with = list(names).index(FIRST) if FIRST in names else 0
    form, panel = st.columns([1.55, 1], gap="large")
    with form:
        chosen, again = st.columns([3, 1], vertical_alignment="bottom")
        preset = chosen.selectbox(
            "Preset", list(names), start_with, key="preset",
            format_func=lambda name: names[name].get("name", name),
            persist_state="session",
        )  # fmt: skip
        again.button("Reset", icon=":material/restart_alt:", on_click=reset, width="stretch",
                     help="Forget what was typed and go back to the preset")  # fmt: skip
        given = names[preset]
        st.caption(escape_markdown(given.get("about", "")))
        key = f"{preset}.{st.session_state.get('compose.round', 0)}"
        fields = {n: f for n, f in RunConfig.model_fields.items() if n != "about"}
        single = [n for n, field in fields.items() if not is_group(field)]
        typed = edit_settings(RunConfig, given, key, only=single, widths=(2, 1.2, 1.2))
        groups = [n for n in fields if n not in single and n not in UNUSED[typed["mode"]]]
        for tab, name in zip(st.tabs([field_label(n) for n in groups]), groups, strict=True):
            with tab:
                typed[name] = edit_group(fields[name], name, given.get(name), f"{key}.{name}")
        typed = given | typed
    built, problems = check(typed)
    with panel, st.container(border=True):
        for problem in problems:
            st.error(problem, icon=":material/error:")
        if built:
            episodes = built.training.groups * built.training.group_size
            st.html(figures_row(
                {"Steps": f"{built.training.steps:,}", "Episodes a step": f"{episodes:,}"}
                if built.mode == "train" else {"Examples": f"{built.evaluation.examples:,}"}
            ))  # fmt: skip
        if st.button(
            "Start",
            type="primary",
            icon=":material/play_arrow:",
            disabled=not built,
            width="stretch",
        ):
            with errors_in_words():
                start(built)
        if built:
            shell, file = st.tabs(["Command line", "TOML"])
            assignments = command.differences(config.build(given).dump(), built.dump())
            shell.code(
                command.command_line(preset, assignments, built.mode),
                language="bash",
                wrap_lines=True,
            )
            file.code(built.to_toml(), language="toml", wrap_lines=True)
