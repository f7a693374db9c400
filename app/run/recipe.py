"""A run's configuration as a recipe file."""

from __future__ import annotations

import streamlit as st

from app.markup.safe_text import reveal_hidden
from memfactory_core import config
from memfactory_core.errors import MemFactoryError
from memfactory_core.runs.tables import Run


def show_settings(run: Run) -> None:
    """The run's configuration."""
    st.code(reveal_hidden(recipe_text(run)), language="toml", height=460, wrap_lines=True)


def recipe_text(run: Run) -> str:
    """A run's configuration as a recipe file; one that this version cannot read any more is said
    so."""
    try:
        return config.build(run.settings, f"run {run.id}").to_toml()
    except MemFactoryError as error:
        return f"# {error}"
