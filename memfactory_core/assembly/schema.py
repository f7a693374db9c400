"""What a model's fields say of themselves: their type, whether they hold a part, their default as a plain value."""

from __future__ import annotations

import types
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from memfactory_core.component import Component


def unwrap(annotation: Any) -> tuple[Any, bool]:
    """The type itself, and whether None is allowed. A choice of several types stays a choice."""
    if get_origin(annotation) is Annotated:
        return unwrap(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [arg for arg in get_args(annotation) if arg is not type(None)]
        optional = len(inner) < len(get_args(annotation))
        return (unwrap(inner[0])[0] if len(inner) == 1 else annotation), optional
    return annotation, False


def family_of(annotation: Any) -> str:
    """The family of a field that holds a part, else nothing."""
    kind = unwrap(annotation)[0]
    return kind.family if isinstance(kind, type) and issubclass(kind, Component) else ""


def default_of(field: FieldInfo) -> Any:
    """A field's default as a plain value; None where it has none."""
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return None
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def list_parts(model: type[BaseModel]) -> dict[str, str]:
    """The fields of a model that hold a part, each with its family."""
    found = {name: family_of(field.annotation) for name, field in model.model_fields.items()}
    return {name: family for name, family in found.items() if family}
