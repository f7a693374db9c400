"""Settings become widgets: a pydantic model's fields, in order, with their bounds and help texts.
No component is known by name here: a new part appears by being registered."""

from __future__ import annotations

import types
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import streamlit as st
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from memfactory_core.component import Component, kinds
from memfactory_core.rewards import SCORES

ABBREVIATIONS = {"kl": "KL", "id": "ID", "llm": "LLM"}
NO_PART = "same as in training"


def field_label(name: str) -> str:
    """A field's name as words."""
    words = [ABBREVIATIONS.get(word, word) for word in name.split("_")]
    return " ".join(words)[:1].upper() + " ".join(words)[1:]


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
    given = dict(values or {}) if chosen == kind else {}
    given.pop("kind", None)
    return {"kind": kind, **edit_settings(model, given, f"{key}.{kind}")}


def edit_settings(
    model: type[BaseModel],
    values: Mapping[str, Any],
    key: str,
    only: Collection[str] = (),
    widths: Sequence[float] = (1, 1),
) -> dict[str, Any]:
    """Widgets for a model's fields and the values typed into them. Fields that `values` names come
    first, the other plain ones under "More settings", parts in expanders of their own; `only`
    drops the other fields out and shows these side by side."""
    fields = {name: model.model_fields[name] for name in only or model.model_fields}
    parts = {name for name, field in fields.items() if family_of(field.annotation)}
    plain = [name for name in fields if name not in parts]
    main = [name for name in plain if name in values] or plain
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


def edit_field(name: str, field: FieldInfo, value: Any, key: str) -> Any:
    """The widget that fits a field's type."""
    kind, optional = unwrap(field.annotation)
    common = {"key": key, "help": field.description, "persist_state": "session"}
    if get_origin(kind) is Literal:
        options = list(get_args(kind))
        index = options.index(value) if value in options else 0
        return st.selectbox(field_label(name), options, index=index, **common)
    if kind is bool:
        return st.toggle(field_label(name), value=bool(value), **common)
    if kind in (int, float):
        return edit_number(field_label(name), kind, field, value, optional, common)
    if get_origin(kind) is dict:
        return edit_weights(value or {}, key)
    if get_origin(kind) is tuple:
        return edit_list(field_label(name), unwrap(get_args(kind)[0])[0], list(value or ()), common)
    text = st.text_input(field_label(name), value="" if value is None else str(value), **common)
    if get_origin(kind) in (Union, types.UnionType):
        return _number_or_text(text)
    return None if optional and not text else text


def edit_list(title: str, kind: Any, values: list[Any], common: dict[str, Any]) -> list[Any]:
    """A list: of choices, of parts by kind (a part that was there keeps its settings), or of values
    with commas between them."""
    if get_origin(kind) is Literal:
        return st.multiselect(title, list(get_args(kind)), default=values, **common)
    if isinstance(kind, type) and issubclass(kind, Component):
        given = {v if isinstance(v, str) else v["kind"]: v for v in values}
        chosen = st.multiselect(title, list(kinds(kind.family)), default=list(given), **common)
        return [given.get(name, name) for name in chosen]
    text = st.text_input(f"{title}, with commas", ", ".join(map(str, values)), **common)
    found = [item.strip() for item in text.split(",") if item.strip()]
    return found if kind is str else [_number_or_text(item) for item in found]


def _number_or_text(text: str) -> int | float | str:
    """A number where the text is one; what does not fit is refused by the validation."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def edit_number(
    title: str, kind: type, field: FieldInfo, value: Any, optional: bool, common: dict[str, Any]
) -> int | float | None:
    """A number within the field's bounds; an optional one may be left empty. An open bound (greater
    than, less than) is left to the validation."""
    low, high = bounds(field)
    low, high = (None if bound is None else kind(bound) for bound in (low, high))
    value = None if value is None else kind(value)
    options: dict[str, Any] = {"min_value": low, "max_value": high, "value": value}
    if kind is int:
        options["step"] = 1
    else:
        small = value is not None and 0 < abs(value) < 0.01
        options |= {"format": "%.1e" if small else "%.4g", "step": value if small else 0.05}
    return st.number_input(title, placeholder="none" if optional else None, **options, **common)


def bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    """The smallest and the largest value that a field's metadata allow."""
    low = high = None
    for rule in field.metadata:
        low = rule.ge if isinstance(rule, Ge) else rule.gt if isinstance(rule, Gt) else low
        high = rule.le if isinstance(rule, Le) else rule.lt if isinstance(rule, Lt) else high
    return low, high


def edit_weights(values: Mapping[str, float], key: str) -> dict[str, float]:
    """The reward: which scores count, and how much. A negative weight is a cost."""
    chosen = st.multiselect(
        "Parts of the reward", list(SCORES), default=list(values), key=f"{key}.parts",
        format_func=field_label, persist_state="session",
    )  # fmt: skip
    typed = {}
    for name in chosen:
        field, text = st.columns([1, 2], vertical_alignment="center")
        typed[name] = field.number_input(
            field_label(name), value=float(values.get(name, 0.1)), step=0.05, format="%.4g",
            key=f"{key}.{name}", persist_state="session",
        )  # fmt: skip
        cost = " (a negative weight is a cost)" if typed[name] < 0 else ""
        text.caption(f"{SCORES[name]}{cost}")
    return typed


def default_of(field: FieldInfo) -> Any:
    """A field's default as a plain value; None where it has none."""
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return None
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def unwrap(annotation: Any) -> tuple[Any, bool]:
    """The type itself, and whether None is allowed. A choice of several types stays a choice."""
    if get_origin(annotation) is Annotated:
        return unwrap(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [arg for arg in get_args(annotation) if arg is not type(None)]
        optional = len(inner) < len(get_args(annotation))
        return (unwrap(inner[0])[0] if len(inner) == 1 else annotation), optional
    return annotation, False


def edit_group(field: FieldInfo, name: str, values: Any, key: str) -> Any:
    """One group of settings of a configuration: a part, a nested model, or a table of weights."""
    kind = unwrap(field.annotation)[0]
    if family_of(field.annotation):
        return edit_part(
            family_of(field.annotation), values, key, field.description or field_label(name)
        )
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return edit_settings(kind, values or {}, key)
    return edit_field(name, field, default_of(field) if values is None else values, key)


def is_group(field: FieldInfo) -> bool:
    """Whether a field holds settings of its own rather than one value."""
    kind = unwrap(field.annotation)[0]
    return get_origin(kind) is dict or (isinstance(kind, type) and issubclass(kind, BaseModel))


def family_of(annotation: Any) -> str:
    """The family of a field that holds a part, else nothing."""
    kind = unwrap(annotation)[0]
    return kind.family if isinstance(kind, type) and issubclass(kind, Component) else ""
