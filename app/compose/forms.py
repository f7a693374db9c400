"""Settings become forms: a pydantic model's fields, in order, and parts within parts.

No component is known by name here: a new part appears by being registered."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, get_args, get_origin

import streamlit as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app.compose.fields import edit_field, field_label
from app.compose.menu import tell_swap
from app.compose.prompts import edit_prompts
from app.compose.rewards import edit_rewards
from memfactory_core.assembly.schema import default_of, family_of, unwrap
from memfactory_core.assembly.swap import Swap, carry_over
from memfactory_core.component import kinds
from memfactory_core.policies.roles import START, Role

NO_PART = "same as in training"
OWN, OTHER = "own", "other"


def edit_part(
    family: str, values: Mapping[str, Any] | None, key: str, title: str, optional: bool = False
) -> dict[str, Any] | None:
    """A part of a family: its kind, then its settings. `values` are plain values (a kind and
    settings) of which the named settings are shown first and the others under "More"."""
    known = kinds(family)
    options = [*([NO_PART] if optional else []), *known]
    chosen = (values or {}).get("kind", options[0])
    kind = st.selectbox(
        title, options, index=options.index(chosen) if chosen in options else 0,
        format_func=lambda name: name.replace("_", " "), key=f"{key}.kind", persist_state="session",
    )  # fmt: skip
    if kind == NO_PART:
        return None
    model = known[kind]
    st.caption(model.summary())
    given = _given_to(family, kind, values, key)
    typed = {"kind": kind, **edit_settings(model, given, f"{key}.{kind}")}
    st.session_state[f"{key}.typed"] = typed
    return typed


def _given_to(family: str, kind: str, values: Mapping[str, Any] | None, key: str) -> dict[str, Any]:
    """What the form of a kind starts from: what was given where it was given for this kind, else what it keeps of the
    one before it. Its values stay the same over reruns, so that no widget starts anew."""
    given = dict(values or {})
    if given.pop("kind", kind) == kind:
        return given
    place = f"{key}.{kind}.given"
    if place not in st.session_state:
        old = st.session_state.get(f"{key}.typed") or values
        part, kept, reset = carry_over(family, old, kind)
        st.session_state[place] = {name: value for name, value in part.items() if name != "kind"}
        st.session_state[f"{place}.told"] = tell_swap(Swap({}, kept, reset))
    if told := st.session_state[f"{place}.told"]:
        st.caption(told)
    return dict(st.session_state[place])


def edit_settings(
    model: type[BaseModel],
    values: Mapping[str, Any],
    key: str,
    only: Collection[str] = (),
    widths: Sequence[float] = (1, 1),
    beside: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Widgets for a model's fields and the values typed into them. Fields that `values` names come
    first, the other plain ones under "More settings", parts in expanders of their own; `only`
    drops the other fields out and shows these side by side; `beside` is what was typed into those elsewhere."""
    fields = {name: model.model_fields[name] for name in only or model.model_fields}
    parts = {name for name, field in fields.items() if family_of(field.annotation)}
    prompts = [name for name, field in fields.items() if field.annotation == dict[str, str]]
    plain = [name for name in fields if name not in parts and name not in prompts]
    main = plain if beside is not None else [name for name in plain if name in values] or plain
    typed = _edit_grid(fields, main, values, key, widths)
    rest = [name for name in plain if name not in main]
    if rest:
        with st.expander("More settings"):
            typed |= _edit_grid(fields, rest, values, key)
    for name in (name for name in fields if name in parts):
        field = fields[name]
        given = values.get(name, default_of(field))
        given = {"kind": given} if isinstance(given, str) else given
        kind = st.session_state.get(f"{key}.{name}.kind", (given or {}).get("kind", NO_PART))
        with st.expander(f"{field_label(name)}: {kind.replace('_', ' ')}", key=f"{key}.{name}.box"):
            optional = unwrap(field.annotation)[1]
            title = field.description or field_label(name)
            typed[name] = edit_part(
                family_of(field.annotation), given, f"{key}.{name}", title, optional
            )
    for name in prompts:
        given = values.get(name, default_of(fields[name])) or {}
        typed[name] = edit_prompts(model, {**(beside or {}), **typed}, given, f"{key}.{name}")
    return {name: typed[name] for name in fields}


def _edit_grid(
    fields: Mapping[str, FieldInfo],
    names: Sequence[str],
    values: Mapping[str, Any],
    key: str,
    widths: Sequence[float] = (1, 1),
) -> dict[str, Any]:
    """Fields side by side in rows of these widths; a list has a row of its own."""
    typed: dict[str, Any] = {}
    room: list[Any] = []
    for name in names:
        wide = get_origin(unwrap(fields[name].annotation)[0]) is tuple
        if not wide:
            room = room or list(st.columns(widths))
        with st.container() if wide else room.pop(0):
            value = values.get(name, default_of(fields[name]))
            typed[name] = edit_field(name, fields[name], value, f"{key}.{name}")
    return typed


def edit_group(field: FieldInfo, name: str, values: Any, key: str) -> Any:
    """One group of settings of a configuration: a part, a nested model, the reward's table or the roles'."""
    kind = unwrap(field.annotation)[0]
    if family_of(field.annotation):
        return edit_part(
            family_of(field.annotation), values, key, field.description or field_label(name)
        )
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return edit_settings(kind, values or {}, key)
    table = default_of(field) if values is None else values
    return edit_roles(table, key) if name == "roles" else edit_rewards(table, key)


def edit_roles(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Who answers for each role: the run's policy, a frozen copy of its starting weights, or another policy."""
    st.caption("A role with a policy of its own is not trained.")
    choices = {
        OWN: "the run's policy",
        START: "a frozen copy of its start",
        OTHER: "another policy",
    }
    typed: dict[str, Any] = {}
    for role in get_args(Role):
        given = values.get(role)
        now = OWN if given is None else START if given == START else OTHER
        chosen = st.selectbox(
            field_label(role), list(choices), index=list(choices).index(now),
            format_func=choices.__getitem__, key=f"{key}.{role}", persist_state="session",
        )  # fmt: skip
        if chosen == START:
            typed[role] = START
        elif chosen == OTHER:
            part = {"kind": given} if isinstance(given, str) and given != START else given
            with st.container(border=True):
                typed[role] = edit_part(
                    "policies", part if isinstance(part, Mapping) else None, f"{key}.{role}.own",
                    f"Policy of {field_label(role).lower()}",
                )  # fmt: skip
    return typed


def is_group(field: FieldInfo) -> bool:
    """Whether a field holds settings of its own rather than one value."""
    kind = unwrap(field.annotation)[0]
    return get_origin(kind) is dict or (isinstance(kind, type) and issubclass(kind, BaseModel))
