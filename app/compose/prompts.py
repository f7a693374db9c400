"""The prompts of a paradigm as text areas, one for each role that its parts ask for, the dialect's own words in them
until they are changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st
from pydantic import BaseModel, ValidationError

from app.compose.fields import field_label
from memfactory_core.component import Component
from memfactory_core.dialects.prompts import LINE, ROLES
from memfactory_core.dialects.wordings import default_prompt
from memfactory_core.errors import MemFactoryError
from memfactory_core.paradigms import asked_roles


def edit_prompts(
    model: type[BaseModel], typed: Mapping[str, Any], values: Mapping[str, str], key: str
) -> dict[str, str]:
    """The prompts that differ from the dialect's own, by role. `typed` is what the rest of the form says."""
    wordings = _wordings(model, typed)
    roles = [role for role in ROLES if role in wordings or role in values]
    with st.expander("Prompts", key=f"{key}.box"):
        st.caption(
            f"How a language model is asked; a line {LINE} ends the system message. The tiny and the scripted "
            "policies' prompts are fixed."
        )
        found = {
            role: _edit(role, wordings.get(role, role), values.get(role), f"{key}.{role}")
            for role in roles
        }
    return {role: text for role, text in found.items() if text}


def _wordings(model: type[BaseModel], typed: Mapping[str, Any]) -> dict[str, str]:
    try:
        built = model.model_validate(dict(typed))
    except (ValidationError, MemFactoryError):  # the form says elsewhere what is wrong
        return {role: role for role in ROLES}
    return asked_roles(built)[1] if isinstance(built, Component) else {}


def _edit(role: str, wording: str, given: str | None, key: str) -> str:
    """The text typed, "" where it is the dialect's own."""
    default = default_prompt(wording) or ""
    known = ROLES[role]
    names = ", ".join(f"{{{name}}}" for name in (*known.needed, *known.possible))
    text = st.text_area(
        field_label(role), given or default, key=f"{key}.{wording}", height=160,
        help=f"Placeholders: {names}", persist_state="session",
    )  # fmt: skip
    return "" if text.strip() in ("", default.strip()) else text
