"""On what is measured: each run's own held-out examples, or other tasks with their settings and files."""

from __future__ import annotations

import streamlit as st

from app.compose.data_file import take_file
from app.compose.fields import field_label
from app.compose.forms import edit_settings
from memfactory_core.assembly.command import find_differences
from memfactory_core.component import kinds
from memfactory_core.config import Evaluation

OWN = "own"
OWN_LABEL = "the run's own held-out examples"
TASKS_HELP = (
    "Another task, or a file of yours, shows what carries over. A task that reads a file has a field for "
    "its path."
)
FILE_HELP = "It is kept in the lab's folder; or name the path of one that is there."
COUNTS = {"examples": "the run's", "samples": "the run's", "seed": "the run's"}


def choose_tasks() -> list[tuple[str, ...]]:
    """The tasks as assignments of `memfactory eval`: none for the run's own."""
    known = kinds("tasks")
    chosen = st.multiselect(
        "Tasks", [OWN, *known], default=[OWN], key="evaluate.tasks", help=TASKS_HELP, wrap=True,
        format_func=lambda name: OWN_LABEL if name == OWN else name,
    )  # fmt: skip
    tasks: list[tuple[str, ...]] = []
    for name in chosen:
        if name == OWN:
            tasks.append(())
            continue
        model = known[name]
        with st.expander(f"Settings of {name}", expanded="path" in model.model_fields):
            st.caption(model.summary())
            given: dict[str, str] = {}
            if "path" in model.model_fields:
                given = take_file(name, f"evaluate.file.{name}", FILE_HELP)
            # a file that is given starts the form anew: its path is in it then
            key = ".".join(["evaluate.task", name, *([given["path"]] if given else [])])
            typed = edit_settings(model, given, key)
        task = {"evaluation": {"task": {"kind": name, **typed}}}
        tasks.append(tuple(find_differences({"evaluation": {"task": None}}, task)))
    return tasks


def choose_counts() -> tuple[str, ...]:
    """How many examples and attempts, and which draw, as assignments; empty fields leave it to each run."""
    found = []
    for column, (name, placeholder) in zip(st.columns(3), COUNTS.items(), strict=True):
        field = Evaluation.model_fields[name]
        low, high = (1, 100_000) if name == "examples" else (0, 64 if name == "samples" else None)
        value = column.number_input(
            field_label(name), low, high, None, 1, key=f"evaluate.{name}", help=field.description,
            placeholder=placeholder,
        )  # fmt: skip
        if value is not None:
            found.append(f"evaluation.{name}={value}")
    return tuple(found)
