"""One field of a model as the widget that fits its type, bounds and help text."""

from __future__ import annotations

import types
from typing import Any, Literal, Union, get_args, get_origin

import streamlit as st
from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from app.compose.models import edit_model
from memfactory_core.assembly.schema import unwrap
from memfactory_core.component import Component, kinds
from memfactory_core.models.resolve import ModelReference

ABBREVIATIONS = {"kl": "KL", "id": "ID", "llm": "LLM"}


def field_label(name: str) -> str:
    """A field's name as words."""
    words = [ABBREVIATIONS.get(word, word) for word in name.split("_")]
    return " ".join(words)[:1].upper() + " ".join(words)[1:]


def edit_field(name: str, field: FieldInfo, value: Any, key: str) -> Any:
    """The widget that fits a field's type."""
    kind, optional = unwrap(field.annotation)
    common: dict[str, Any] = {"key": key, "help": field.description, "persist_state": "session"}
    if get_origin(kind) is Literal:
        options = list(get_args(kind))
        index = options.index(value) if value in options else 0
        return st.selectbox(field_label(name), options, index=index, **common)
    if kind is bool:
        return st.toggle(field_label(name), value=bool(value), **common)
    if kind in (int, float):
        return edit_number(field_label(name), kind, field, value, optional, common)
    if get_origin(kind) is tuple:
        return edit_list(field_label(name), unwrap(get_args(kind)[0])[0], list(value or ()), common)
    for mark in field.metadata:
        if isinstance(mark, ModelReference):
            return edit_model(field_label(name), mark.use, str(value or ""), common)
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
    low: Any = None
    high: Any = None
    for rule in field.metadata:
        low = rule.ge if isinstance(rule, Ge) else rule.gt if isinstance(rule, Gt) else low
        high = rule.le if isinstance(rule, Le) else rule.lt if isinstance(rule, Lt) else high
    return low, high
