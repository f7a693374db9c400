"""The agent as a picture: what is read, the five parts, the answer, in the order in which the data flows, the policy
below. Each card has the part's sentence, its two main settings, its menu, and the rest behind "More"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st
from pydantic import BaseModel

from app.compose.fields import edit_field
from app.compose.forms import edit_settings
from app.compose.menu import Place, name_of
from app.markup.safe_text import escape_markdown
from memfactory_core.assembly.schema import default_of, list_parts
from memfactory_core.component import Component, find

READ = Place("Read", ("task",), "tasks")
FLOW = (
    Place("Extractor", ("paradigm", "extractor"), "extractors"),
    Place("Updater", ("paradigm", "updater"), "updaters"),
    Place("Store", ("paradigm", "store"), "stores"),
    Place("Retriever", ("paradigm", "retriever"), "retrievers"),
)
PARADIGM = Place("Paradigm", ("paradigm",), "paradigms")
POLICY = Place("Policy", ("policy",), "policies")
MAIN = 2
"""Settings that a card shows."""


def edit_picture(given: Mapping[str, Any], key: str) -> tuple[dict[str, Any], Place | None]:
    """The task, the paradigm and the policy as they were typed, and the place whose menu was asked for."""
    paradigm = find("paradigms", given["paradigm"]["kind"])
    asked: list[Place] = []
    typed: dict[str, Any] = {}
    with st.container(key="flow-head", horizontal=True, vertical_alignment="center"):
        st.markdown("**Paradigm**", width="content")
        _show_choice(PARADIGM, paradigm, key, asked)
        st.caption(escape_markdown(paradigm.summary()), width="content")
    with st.container(key="flow"):
        with st.container(border=True, key="flow-task"):
            typed["task"] = _edit_card(READ, given["task"], key, asked)
        parts: dict[str, Any] = {}
        for place in FLOW:
            name = place.path[-1]
            with st.container(border=True, key=f"flow-{name}"):
                part = given["paradigm"].get(name, default_of(paradigm.model_fields[name]))
                parts[name] = _edit_card(place, part, key, asked)
        with st.container(border=True, key="flow-answer"):
            st.markdown("**Answer**")
            st.caption(
                "The question is answered from what was read, and the answer earns the reward."
            )
            others = _edit_rest(paradigm, given["paradigm"], f"{key}.paradigm", parts)
        typed["paradigm"] = {"kind": paradigm.kind, **parts, **others}
    with st.container(border=True, key="flow-policy"):
        typed["policy"] = _edit_policy(given["policy"], key, asked)
    return typed, asked[0] if asked else None


def _edit_card(place: Place, part: Any, key: str, asked: list[Place]) -> dict[str, Any]:
    """A part's card; its values as they were typed."""
    values = {"kind": part} if isinstance(part, str) else dict(part)
    model = find(place.family, values.pop("kind"))
    st.markdown(f"**{place.title}**")
    _show_choice(place, model, key, asked)
    st.caption(escape_markdown(model.summary()))
    return {"kind": model.kind, **_edit_rest(model, values, f"{key}.{'.'.join(place.path)}")}


def _edit_policy(part: Any, key: str, asked: list[Place]) -> dict[str, Any]:
    """The policy's card, which lies below the others: it says what they ask."""
    values = {"kind": part} if isinstance(part, str) else dict(part)
    model = find(POLICY.family, values.pop("kind"))
    about, settings = st.columns([1, 1.6], gap="medium")
    with about:
        st.markdown("**Policy**")
        _show_choice(POLICY, model, key, asked)
        st.caption(escape_markdown(model.summary()))
    with settings:
        return {"kind": model.kind, **_edit_rest(model, values, f"{key}.policy")}


def _show_choice(place: Place, model: type[Component], key: str, asked: list[Place]) -> None:
    """The button that opens a place's menu."""
    told = f"{place.title}: {name_of(model.kind)}. Choose another kind; what does not fit says why."
    if st.button(
        name_of(model.kind), key=f"{key}.choose.{'.'.join(place.path)}", icon=":material/unfold_more:",
        icon_position="right", help=told, width="content" if place is PARADIGM else "stretch",
    ):  # fmt: skip
        asked.append(place)


def _edit_rest(
    model: type[Component],
    values: Mapping[str, Any],
    key: str,
    parts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A part's two main settings, and the others behind "More"; `parts` are those of a paradigm, which have cards."""
    fields = {name: f for name, f in model.model_fields.items() if name not in (parts or ())}
    main = find_main(model, values, list(fields))
    typed = {
        name: edit_field(
            name, fields[name], values.get(name, default_of(fields[name])), f"{key}.{name}"
        )
        for name in main
    }
    rest = [name for name in fields if name not in main]
    if rest:
        with st.popover("More", icon=":material/tune:", key=f"{key}.more", width="stretch"):
            typed |= edit_settings(model, values, key, only=rest, beside=typed | dict(parts or {}))
    return {name: typed[name] for name in fields}


def find_main(model: type[BaseModel], values: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """The settings that a card shows: those that the part names, then those that the recipe does, then the first."""
    inner = list_parts(model)
    plain = [
        n for n in names if n not in inner and model.model_fields[n].annotation != dict[str, str]
    ]
    named = [name for name in getattr(model, "main", ()) if name in plain]
    given = [name for name in plain if name in values]
    return list(dict.fromkeys([*named, *given, *plain]))[:MAIN]
