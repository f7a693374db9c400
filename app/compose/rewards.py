"""The reward's table as widgets: which measures count, how much, and the settings of those that have some."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app.compose.fields import edit_field, field_label
from app.markup.safe_text import escape_markdown
from memfactory_core.assembly.schema import default_of
from memfactory_core.rewards import Reward, in_order, weighed, weight_of
from memfactory_core.rewards.shown import Shown

FIRST_WEIGHT = 0.1
"""The weight of a measure that was just chosen."""


def edit_rewards(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The reward: which scores count, and how much. A negative weight is a cost. Parts under a name of their
    own stay what they are; the values are as a recipe's `[reward]` takes them."""
    values = {**values, **st.session_state.get(f"{key}.own", {})}
    shown = Shown(values)
    measures = [name for name, part in in_order().items() if part.trains]
    own = [name for name in values if name not in measures]
    chosen = st.multiselect(
        "Parts of the reward", [*measures, *own], default=list(values), key=f"{key}.parts",
        format_func=shown.title, persist_state="session",
    )  # fmt: skip
    typed = {
        name: _edit_entry(name, shown, values.get(name, FIRST_WEIGHT), f"{key}.{name}")
        for name in chosen
    }
    _offer_own(key)
    return typed


def _offer_own(key: str) -> None:
    """A part under a name of the user's own: the same measure twice, with other settings."""
    with st.popover("Add a part under a name of your own", icon=":material/add:"):
        kinds = [name for name, part in in_order().items() if part.trains]
        st.selectbox("Kind", kinds, key=f"{key}.own.kind", format_func=field_label)
        st.text_input("Name", key=f"{key}.own.name", help="Small letters, digits and _")
        st.button("Add", key=f"{key}.own.add", on_click=_add_own, args=(key,))
        if problem := st.session_state.get(f"{key}.own.problem"):
            st.error(escape_markdown(problem), icon=":material/error:")


def _add_own(key: str) -> None:
    """Takes the part into the reward, or keeps the reason why not."""
    name = str(st.session_state[f"{key}.own.name"]).strip()
    entry = {"kind": st.session_state[f"{key}.own.kind"], "weight": FIRST_WEIGHT}
    chosen = list(st.session_state[f"{key}.parts"])
    try:
        if name in chosen:
            raise ValueError(f"the reward has a part called {name!r} already")
        weighed(name, entry)
    except ValueError as error:
        st.session_state[f"{key}.own.problem"] = str(error)
        return
    st.session_state.pop(f"{key}.own.problem", None)
    st.session_state[f"{key}.own"] = {**st.session_state.get(f"{key}.own", {}), name: entry}
    st.session_state[f"{key}.parts"] = [*chosen, name]


def _edit_entry(name: str, shown: Shown, value: Any, key: str) -> Any:
    """A weight alone where nothing else is set, else the part's table."""
    field, text = st.columns([1, 2], vertical_alignment="center")
    weight = field.number_input(
        shown.title(name), value=weight_of(value), step=0.05, format="%.4g", key=key,
        persist_state="session",
    )  # fmt: skip
    part = shown.part(name)
    if part is None:
        return value
    cost = " A negative weight is a cost." if weight < 0 else ""
    text.caption(f"{part.summary()}{cost}")
    given = dict(value) if isinstance(value, Mapping) else {}
    typed = _edit_settings(shown.title(name), part, given, key)
    plain = {n: default_of(part.model_fields[n]) for n in typed}
    if name == part.kind and typed == plain and None not in plain.values():
        return weight
    return {"kind": part.kind, "weight": weight, **typed}


def _edit_settings(
    title: str, part: type[Reward], given: Mapping[str, Any], key: str
) -> dict[str, Any]:
    """What a part can be set to beside its weight."""
    fields = {name: field for name, field in part.model_fields.items() if name != "weight"}
    if not fields:
        return {}
    with st.expander(f"Settings of {field_label(title)}"):
        return {
            name: edit_field(name, field, given.get(name, default_of(field)), f"{key}.{name}")
            for name, field in fields.items()
        }
