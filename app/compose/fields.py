"""One field of a model as the widget that fits its type, bounds and help text."""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

import streamlit as st
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app.compose.models import edit_model
from memfactory_core.assembly.command import assign
from memfactory_core.assembly.schema import default_of, unwrap
from memfactory_core.assignment import flatten, set_value
from memfactory_core.component import Component, kinds
from memfactory_core.errors import ConfigError
from memfactory_core.models.resolve import ModelReference

MOST_TABLES = 9
"""Tables that a list of them can be given in the form."""
NEXT_ASSIGNMENT = re.compile(r",\s*(?=[\w.]+\s*=)")
"""A comma behind which another assignment stands; a comma within a value is none."""
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
    if get_origin(kind) is dict:
        return edit_assignments(field_label(name), value, common)
    for mark in field.metadata:
        if isinstance(mark, ModelReference):
            return edit_model(field_label(name), mark.use, str(value or ""), common)
    text = st.text_input(field_label(name), value="" if value is None else str(value), **common)
    if get_origin(kind) in (Union, types.UnionType):
        return _number_or_text(text)
    return None if optional and not text else text


def edit_list(title: str, kind: Any, values: list[Any], common: dict[str, Any]) -> list[Any]:
    """A list: of choices, of parts by kind (a part that was there keeps its settings), of tables, or of values
    with commas between them."""
    if get_origin(kind) is Literal:
        return st.multiselect(title, list(get_args(kind)), default=values, **common)
    if isinstance(kind, type) and issubclass(kind, Component):
        given = {v if isinstance(v, str) else v["kind"]: v for v in values}
        chosen = st.multiselect(title, list(kinds(kind.family)), default=list(given), **common)
        return [given.get(name, name) for name in chosen]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return edit_tables(title, kind, values, common)
    text = st.text_input(f"{title}, with commas", ", ".join(map(str, values)), **common)
    found = [item.strip() for item in text.split(",") if item.strip()]
    return found if kind is str else [_number_or_text(item) for item in found]


def edit_tables(
    title: str, model: type[BaseModel], values: list[Any], common: dict[str, Any]
) -> list[dict[str, Any]]:
    """A list of tables: how many there are, and the fields of each, one below the other, for settings are long."""
    count = st.number_input(title, 0, MOST_TABLES, min(len(values), MOST_TABLES), **common)
    tables = []
    for number in range(count):
        given = values[number] if number < len(values) else {}
        table: dict[str, Any] = {}
        with st.container(border=True):
            st.caption(f"{title}, {number + 1} of {count}")
            for name, field in model.model_fields.items():
                place = f"{common['key']}.{number}.{name}"
                table[name] = edit_field(name, field, given.get(name, default_of(field)), place)
        tables.append(table)
    return tables


def edit_assignments(title: str, value: Any, common: dict[str, Any]) -> dict[str, Any] | str:
    """Settings by name as `a=1, b=2`; what cannot be read stays a text, which the validation refuses."""
    before = str(value)
    if isinstance(value, Mapping):
        before = ", ".join(assign(place, one) for place, one in flatten(value).items())
    text = st.text_input(title, before, placeholder="chunks=1", **common)
    typed: dict[str, Any] = {}
    try:
        for assignment in NEXT_ASSIGNMENT.split(text) if text.strip() else ():
            set_value(typed, assignment.strip())
    except ConfigError:
        return text
    return typed


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
