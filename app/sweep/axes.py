"""The two settings that a sweep varies, with their values."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.compose.presets import FIRST, read_presets
from memfactory_core.component import kinds

PARTS = {
    "paradigm.store": "stores", "paradigm.extractor": "extractors", "paradigm.updater": "updaters",
    "paradigm.retriever": "retrievers", "policy": "policies", "task": "tasks",
}  # fmt: skip
"""Parts that are varied by choosing kinds: their setting and their family."""
OTHER, NONE = "another setting", "nothing"
AXIS_HELP = "A part of the agent, whose kinds are listed, or any setting by its path."
VALUES_HELP = "Each value makes one row or column; every combination is one run."


def choose_recipe() -> str:
    """The recipe that every cell begins from."""
    presets = read_presets()
    return st.selectbox(
        "Preset", list(presets), list(presets).index(FIRST) if FIRST in presets else 0,
        format_func=lambda name: presets[name].title, key="sweep.recipe",
    )  # fmt: skip


def choose_axis(title: str, key: str, first: str, optional: bool = False) -> str:
    """One line of the grid as `--grid` takes it; "" where nothing is varied, or no value is chosen yet."""
    options = [*([NONE] if optional else []), *PARTS, OTHER]
    setting, values = st.columns([1, 1.3], gap="medium")
    path = setting.selectbox(title, options, options.index(first), key=key, help=AXIS_HELP)
    if path == NONE:
        return ""
    if path == OTHER:
        with setting:
            path = st.text_input("Setting", key=f"{key}.path", placeholder="training.group_size")
        typed = values.text_input(
            "Values, with commas", key=f"{key}.typed", placeholder="4, 8", help=VALUES_HELP
        )
        chosen = [value.strip() for value in typed.split(",") if value.strip()]
    else:
        known = kinds(PARTS[path])
        chosen = values.multiselect(
            "Kinds", list(known), key=f"{key}.{path}", help=VALUES_HELP, placeholder="Choose two or more", wrap=True,
            format_func=lambda kind: kind.replace("_", " "),
        )  # fmt: skip
    return f"{path.strip()}={','.join(chosen)}" if path.strip() and chosen else ""


def choose_fixed() -> tuple[str, ...]:
    """What is the same in every cell, as `--set` takes it."""
    first, second, third = st.columns(3)
    fixed: list[str] = []
    for column, (label, path, low) in zip(
        (first, second, third),
        (("Training steps", "training.steps", 1), ("Examples", "evaluation.examples", 1), ("Seed", "seed", 0)),
        strict=True,
    ):  # fmt: skip
        value: Any = column.number_input(
            label, low, None, None, 1, key=f"sweep.{path}", placeholder="preset's"
        )
        if value is not None:
            fixed.append(f"{path}={value}")
    more = st.text_area(
        "Other settings, one a line", key="sweep.more", height=68, placeholder="mode=evaluate"
    )
    return (*fixed, *(line.strip() for line in more.splitlines() if line.strip()))
