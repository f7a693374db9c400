"""The data file of a task: given in the browser or named by its path, with its first records, the columns that a task
of one's own asks for, and the first example as the task reads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

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
from memfactory_core.tasks.settings import with_task

LONGEST_CELL = 120
"""Characters of a field in the preview."""
NO_COLUMN = "none"
KEPT_HELP = "It is kept in the lab's folder under its content's hash."
NEEDED = ("context", "question", "answers")
"""What every file has a column for."""
COLUMNS = 3
"""Choices beside each other."""


class Taken(NamedTuple):
    """What became of an upload: its id, the settings of the task that it makes, why it was refused."""

    upload: str
    settings: dict[str, str]
    problem: str


def show_data_file(values: Mapping[str, Any], key: str) -> None:
    """The file of the task in a form's whole values; nothing for a task that makes its examples."""
    task = _find_task(values["task"]["kind"])
    if "path" not in task.model_fields:
        return
    path = values["task"].get("path") or ""
    there = Path(path).is_file()
    name = Path(path).name if path else "none yet"
    with st.expander(
        f"Data file: {escape_markdown(name, 100)}",
        expanded=not there,
        icon=":material/description:",
        key="data-file",
    ):
        if taken := take_file(values["task"]["kind"], f"{key}.upload", KEPT_HELP):
            task_values = {**values["task"], **taken}
            told = f"**Data file: {escape_markdown(Path(taken['path']).name, 80)}.**"
            restart_from(with_task(values, task_values), told)
            st.rerun()
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
        named = [name for name in named_columns(task) if name in NEEDED]
        if missing := [name for name in named if values["task"][name] not in seen.columns]:
            told = " and ".join(map(field_label, missing)).lower()
            st.warning(f"Choose above which column is the {told}.", icon=":material/touch_app:")
            return
        _show_first(values["task"], task)


def _find_task(kind: str) -> type[Task]:
    found = find("tasks", kind)
    assert issubclass(found, Task)
    return found


@st.cache_data(max_entries=16, show_spinner="Reading the file")
def _look_into(path: str, stamp: int) -> Overview:
    """Kept until the file changes."""
    return look_into(path)


def take_file(kind: str, key: str, help: str) -> dict[str, str]:
    """The place for a task's file; once one is given, its path and the columns guessed of it, as settings of the task.
    {}, said in words, where it is refused. Remembered by the upload's id: a rerun does not read the file again."""
    given = st.file_uploader(
        "Give a file", type=[ending.lstrip(".") for ending in FORMATS], key=key,
        max_upload_size=LARGEST // 1_000_000, help=help,
    )  # fmt: skip
    if given is None:
        return {}
    taken = st.session_state.get(f"{key}.taken")
    if taken is None or taken.upload != given.file_id:
        taken = st.session_state[f"{key}.taken"] = _keep(kind, given)
    if taken.problem:
        st.error(escape_markdown(taken.problem, 800), icon=":material/error:")
    return dict(taken.settings)


def _keep(kind: str, given: Any) -> Taken:
    settings: dict[str, str] = {}
    try:
        path = str(keep_file(given.getbuffer(), given.name))
        if wanted := named_columns(_find_task(kind)):
            guessed = guess_columns(look_into(path))
            settings = {name: guessed[name] for name in wanted if guessed[name]}
    except MemFactoryError as error:
        return Taken(given.file_id, {}, str(error))
    return Taken(given.file_id, {"path": path, **settings}, "")


def _map_columns(values: Mapping[str, Any], seen: Overview, settings: list[str], key: str) -> None:
    """Which column is what, for a task that names columns."""
    if not settings:
        return
    fields = find("tasks", values["task"]["kind"]).model_fields
    room: list[Any] = []
    for setting in settings:
        room = room or list(st.columns(COLUMNS))
        now = values["task"].get(setting) or NO_COLUMN
        options = list(seen.columns) if setting in NEEDED else [NO_COLUMN, *seen.columns]
        place = f"{key}.column.{setting}"
        room.pop(0).selectbox(
            field_label(setting), options, options.index(now) if now in options else None, key=place,
            help=fields[setting].description, placeholder="Choose a column",
            on_change=_map_column, args=(values, setting, place),
        )  # fmt: skip


def _map_column(values: Mapping[str, Any], setting: str, place: str) -> None:
    chosen = st.session_state[place]
    column = "" if chosen == NO_COLUMN else chosen
    restart_from(with_task(values, {**values["task"], setting: column}), "")


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
