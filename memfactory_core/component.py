"""A component is one frozen pydantic model: its fields are its settings, its methods its behaviour.

Subclassing with a `kind` registers it: `class BM25(Retriever, kind="bm25")`. A family is a folder whose
`__init__` holds the contract (`class Retriever(Component, family="retrievers")`); the folder is scanned, so
adding a part is adding one file. A field typed with a family accepts a kind's name, a table
`{kind = ..., setting = ...}` or a part.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializeAsAny,
    model_serializer,
    model_validator,
)

FAMILIES = (
    "tasks", "paradigms", "extractors", "updaters", "retrievers", "stores", "embedders", "policies", "dialects",
)  # fmt: skip
_REGISTRY: dict[str, dict[str, type[Component]]] = {family: {} for family in FAMILIES}


class Component(BaseModel):
    """A named, validated set of settings with behaviour; see the module's text."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    family: ClassVar[str] = ""
    kind: ClassVar[str] = ""

    def __init_subclass__(cls, kind: str = "", family: str = "", **options: Any) -> None:
        super().__init_subclass__(**options)
        if family:
            cls.family = family
        if kind:
            known = _REGISTRY[cls.family].get(kind)
            if known and known.__module__ != cls.__module__:
                raise TypeError(f"two {cls.family} are called {kind!r}: {known.__module__}, {cls}")
            cls.kind = kind
            _REGISTRY[cls.family][kind] = cls

    @model_validator(mode="wrap")
    @classmethod
    def _choose_kind(cls, value: Any, build: Any) -> Self:
        if isinstance(value, Component):
            if not isinstance(value, cls):
                raise ValueError(f"{value.kind!r} is one of {value.family}, not of {cls.family}")
            return value
        if isinstance(value, str):
            value = {"kind": value}
        if isinstance(value, dict) and "kind" in value:
            value = dict(value)
            name = value.pop("kind")
            chosen = find(cls.family, name)
            if not issubclass(chosen, cls):
                raise ValueError(f"{name!r} does not fit here: expected {cls.kind or cls.family}")
            if chosen is not cls:
                return chosen.model_validate(value)
        if not cls.kind:
            raise ValueError(f"no kind given; known {cls.family}: {', '.join(kinds(cls.family))}")
        return build(value)

    @model_serializer(mode="wrap")
    def _name_kind(self, dump: Any) -> dict[str, Any]:
        return {"kind": self.kind, **dump(self)}

    @classmethod
    def summary(cls) -> str:
        """The first paragraph of the docstring: one sentence for forms and listings."""
        return " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())


Part = SerializeAsAny
"""Annotation of fields that hold a part, so that the part's own settings are written out."""


def kinds(family: str) -> dict[str, type[Component]]:
    """Every registered kind of a family, sorted by name. ValueError where there is no such family."""
    if family not in _REGISTRY:
        raise ValueError(f"no family called {family!r}; known: {', '.join(FAMILIES)}")
    package = importlib.import_module(f"memfactory_core.{family}")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return dict(sorted(_REGISTRY[family].items()))


def find(family: str, kind: str) -> type[Component]:
    """One kind of a family. ValueError names the kinds that exist."""
    known = kinds(family)
    if kind not in known:
        raise ValueError(f"no {family} called {kind!r}; known: {', '.join(known)}")
    return known[kind]
