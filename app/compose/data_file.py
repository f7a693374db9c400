"""The data file of a task: given in the browser or named by its path, with its first records, the columns that a task
of one's own asks for, and the first example as the task reads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from app.compose.fields import field_label
from app.compose.menu import restart_from
from app.markup.safe_text import escape_markdown, reveal_hidden
from memfactory_core.component import find
from memfactory_core.errors import MemFactoryError
from memfactory_core.runs.uploads import LARGEST, keep_file
from memfactory_core.tasks import Task
from memfactory_core.tasks.columns import Overview, guess_columns, look_into, named_columns
from memfactory_core.tasks.data_file import FORMATS

LONGEST_CELL = 120
"""Characters of a field in the preview."""
NO_COLUMN = "none"
COLUMNS = 3
"""Choices beside each other."""


def show_data_file(values: Mapping[str, Any], key: str) -> None:
    """The file of the task in a form's whole values; nothing for a task that makes its examples."""
    task = _find_task(values["task"]["kind"])
    if "path" not in task.model_fields:
        return
    path = values["task"].get("path") or ""
    there = Path(path).is_file()
    name = Path(path).name if path else "none yet"
    with st.expander(
        f"Data file: {name}", expanded=not there, icon=":material/description:", key="data-file"
    ):
        _take_file(values, key)
        if not there:
            st.caption(
                "Give the file here, or name its path on the lab's machine in the card Read."
            )
            return
        try:
            seen = _look_into(path, Path(path).stat().st_mtime_ns)
        except MemFactoryError as error:
            st.error(escape_markdown(str(error), 800), icon=":material/error:")
            return
        st.caption(f"{seen.records:,} records; the first {len(seen.first)}:")
        st.dataframe(
            [{column: _shorten(value) for column, value in row.items()} for row in seen.first],
            hide_index=True, alt="The first records of the data file",
        )  # fmt: skip
        _map_columns(values, seen, named_columns(task), key)
        _show_first(values["task"], task)


def _find_task(kind: str) -> type[Task]:
    found = find("tasks", kind)
    assert issubclass(found, Task)
    return found


@st.cache_data(max_entries=16, show_spinner="Reading the file")
def _look_into(path: str, stamp: int) -> Overview:
    """Kept until the file changes."""
    return look_into(path)


def _take_file(values: Mapping[str, Any], key: str) -> None:
    """The place for a file; what is given becomes the task's path, and its columns are guessed."""
    given = st.file_uploader(
        "Give a file", type=[ending.lstrip(".") for ending in FORMATS], key=f"{key}.upload",
        max_upload_size=LARGEST // 1_000_000, help="It is kept in the lab's folder under its content's hash.",
    )  # fmt: skip
    if given is None:
        return
    try:
        path = keep_file(given.getbuffer(), given.name)
        task = dict(values["task"]) | {"path": str(path)}
        if wanted := named_columns(_find_task(task["kind"])):
            guessed = guess_columns(look_into(str(path)).columns)
            task |= {name: guessed[name] for name in wanted if guessed[name]}
    except MemFactoryError as error:
        st.error(escape_markdown(str(error), 800), icon=":material/error:")
        return
    restart_from({**values, "task": task}, f"**Data file: {escape_markdown(path.name, 80)}.**")
    st.rerun()


def _map_columns(values: Mapping[str, Any], seen: Overview, settings: list[str], key: str) -> None:
    """Which column is what, for a task that names columns."""
    if not settings:
        return
    fields = find("tasks", values["task"]["kind"]).model_fields
    room: list[Any] = []
    for setting in settings:
        room = room or list(st.columns(COLUMNS))
        now = values["task"].get(setting) or NO_COLUMN
        options = list(dict.fromkeys([NO_COLUMN, now, *seen.columns]))
        place = f"{key}.column.{setting}"
        room.pop(0).selectbox(
            field_label(setting), options, options.index(now), key=place, help=fields[setting].description,
            on_change=_map_column, args=(values, setting, place),
        )  # fmt: skip


def _map_column(values: Mapping[str, Any], setting: str, place: str) -> None:
    chosen = st.session_state[place]
    column = "" if chosen == NO_COLUMN else chosen
    restart_from({**values, "task": {**values["task"], setting: column}}, "")


def _show_first(values: Mapping[str, Any], task: type[Task]) -> None:
    """The first example as the task reads it, or why it cannot."""
    try:
        examples = task.model_validate(dict(values)).examples(1, 0)
    except (MemFactoryError, ValueError) as error:
        st.error(escape_markdown(str(error), 800), icon=":material/error:")
        return
    for example in examples:
        total = sum(map(len, example.observations))
        count = len(example.observations)
        told = f"{count:,} {'section' if count == 1 else 'sections'}, {total:,} characters in all"
        answers = " or ".join(map(str, example.answers))
        st.caption(
            f":material/check: An example as it is read: {told}. Question: "
            f"{escape_markdown(example.question, 200)} Answer: {escape_markdown(answers, 120) or 'none'}."
        )


def _shorten(value: Any) -> str:
    text = reveal_hidden(value if isinstance(value, str) else str(value))
    return text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]}…"
