"""A component is one frozen pydantic model: its fields are its settings, its methods its behaviour.

Subclassing with a `kind` registers it: `class BM25(Retriever, kind="bm25")`. A family is a folder whose
`__init__` holds the contract (`class Retriever(Component, family="retrievers")`); the folder is scanned, so
adding a part is adding one file. The user's own files stand outside the package: in the folders that
`MEMFACTORY_PARTS` names, or behind entry points of the group `memfactory.parts`. A field typed with a family
accepts a kind's name, a table `{kind = ..., setting = ...}` or a part.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import pkgutil
import sys
import traceback
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializeAsAny,
    model_serializer,
    model_validator,
)

from memfactory_core.errors import ConfigError, MemFactoryError

FAMILIES = (
    "tasks", "paradigms", "extractors", "updaters", "retrievers", "stores", "embedders", "policies", "dialects",
    "rewards",
)  # fmt: skip
FOLDERS = "MEMFACTORY_PARTS"
"""The environment variable that names folders of the user's own parts."""
GROUP = "memfactory.parts"
"""The group of entry points whose modules hold parts."""
_REGISTRY: dict[str, dict[str, type[Component]]] = {family: {} for family in FAMILIES}


class Component(BaseModel):
    """A named, validated set of settings with behaviour; see the module's text."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    family: ClassVar[str] = ""
    kind: ClassVar[str] = ""
    main: ClassVar[tuple[str, ...]] = ()
    """The settings that its card in Compose shows first; the others stand behind "More"."""

    def __init_subclass__(cls, kind: str = "", family: str = "", **options: Any) -> None:
        super().__init_subclass__(**options)
        if family:
            cls.family = family
        if kind:
            known = _REGISTRY[cls.family].get(kind)
            if known and known.__module__ != cls.__module__:
                places = " and ".join(_place(part.__module__) for part in (known, cls))
                raise ConfigError(f"two {cls.family} are called {kind!r}: {places}; rename one")
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
            if not isinstance(name, str):
                raise ValueError(f"a kind is a name, got {str(name)[:60]}")
            chosen = find(cls.family, name)
            if not issubclass(chosen, cls):
                raise ValueError(f"{name!r} does not fit here: expected {cls.kind or cls.family}")
            if chosen is not cls:
                return chosen.model_validate(value)
        if not cls.kind:
            raise ValueError(f"no kind given; known {cls.family}: {', '.join(kinds(cls.family))}")
        return build(fill_kinds(cls, value))

    @model_serializer(mode="wrap")
    def _name_kind(self, dump: Any) -> dict[str, Any]:
        return {"kind": self.kind, **dump(self)}

    @classmethod
    def summary(cls) -> str:
        """The first paragraph of the docstring: one sentence for forms and listings."""
        return " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())


class Settings(BaseModel):
    """A named group of settings."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_kinds(cls, values: Any) -> Any:
        return fill_kinds(cls, values)


def fill_kinds(model: type[BaseModel], values: Any) -> Any:
    """A model's values in which a table of settings that names no kind is meant for the part that stands there by
    default: `paradigm.extractor.section=60` changes one setting of it, the others stay."""
    if not isinstance(values, dict):
        return values
    filled = dict(values)
    for name, field in model.model_fields.items():
        value, default = values.get(name), field.default
        if isinstance(default, Component) and isinstance(value, dict) and "kind" not in value:
            filled[name] = change_part(default.model_dump(mode="json"), value)
    return filled


def change_part(part: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A part's plain values with some changed, those of the parts inside it too."""
    merged = {**part, **changes}
    for name, value in changes.items():
        inner = part.get(name)
        if (
            isinstance(value, dict)
            and "kind" not in value
            and isinstance(inner, dict)
            and "kind" in inner
        ):
            merged[name] = change_part(inner, value)
    return merged


if TYPE_CHECKING:  # a checker takes the plain assignment for a type without an argument
    from pydantic import SerializeAsAny as Part
else:
    Part = SerializeAsAny
"""Annotation of fields that hold a part, so that the part's own settings are written out."""


def kinds(family: str) -> dict[str, type[Component]]:
    """Every registered kind of a family, sorted by name. ValueError where there is no such family; ConfigError
    where one of the user's own files cannot be used."""
    if family not in _REGISTRY:
        raise ValueError(f"no family called {family!r}; known: {', '.join(FAMILIES)}")
    _import_all(importlib.import_module(f"memfactory_core.{family}"))
    for folder in part_folders():
        _import_folder(folder)
    for entry in _entries(tuple(sys.path)):
        _import_entry(entry)
    return dict(sorted(_REGISTRY[family].items()))


def find(family: str, kind: str) -> type[Component]:
    """One kind of a family. ValueError names the kinds that exist."""
    known = kinds(family)
    if kind not in known:
        raise ValueError(f"no {family} called {kind!r}; known: {', '.join(known)}")
    return known[kind]


def part_folders() -> list[Path]:
    """The folders of the user's own parts, absolute. ConfigError where one is not there."""
    named = [name for name in os.environ.get(FOLDERS, "").split(os.pathsep) if name.strip()]
    folders = list(dict.fromkeys(Path(name).expanduser().resolve() for name in named))
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"{FOLDERS} names {folder}, which is no folder: make it, or mend it")
    return folders


def _import_all(package: ModuleType) -> None:
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")


def _import_folder(folder: Path) -> None:
    """Imports a folder's files as modules of a package that is named after the folder's place: files of one name
    in two folders do not meet, `from . import other` works, and nothing of the folder hides another module."""
    package = f"memfactory_parts_{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    made = ModuleType(package, f"The user's own parts in {folder}.")
    made.__path__ = [str(folder)]
    sys.modules.setdefault(package, made)
    for module in pkgutil.iter_modules([str(folder)]):
        name = f"{package}.{module.name}"
        if module.name.startswith("_"):
            continue
        if name not in sys.modules:
            importlib.invalidate_caches()  # a file that was written a moment ago would be overlooked
        file = folder / (f"{module.name}/__init__.py" if module.ispkg else f"{module.name}.py")
        try:  # also what is imported already: another thread may be in the midst of it
            importlib.import_module(name)
        except MemFactoryError:
            raise
        except (Exception, SystemExit) as error:
            raise ConfigError(f"the part {file} cannot be used: {_said(error, folder)}") from error


@lru_cache(maxsize=8)
def _entries(path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """The entry points that are installed on `path`; looking through all packages takes a while."""
    return tuple(entry_points(group=GROUP))


def _import_entry(entry: EntryPoint) -> None:
    try:
        loaded = entry.load()
        if isinstance(loaded, ModuleType) and hasattr(loaded, "__path__"):
            _import_all(loaded)
    except MemFactoryError:
        raise
    except (Exception, SystemExit) as error:
        told = f"the entry point {entry.name} = {entry.value} (group {GROUP})"
        package = f" of the package {entry.dist.name}" if entry.dist else ""
        raise ConfigError(f"{told}{package} cannot be used: {_said(error)}") from error


def _said(error: BaseException, folder: Path | None = None) -> str:
    """An import's error in one line, with the last line of the user's own file that led to it."""
    frames = traceback.extract_tb(error.__traceback__)
    mine = [frame for frame in frames if folder and folder in Path(frame.filename).parents]
    where = f"line {mine[-1].lineno}: " if mine else ""
    return f"{where}{type(error).__name__}: {' '.join(str(error).split())}"


def _place(module: str) -> str:
    return getattr(sys.modules.get(module), "__file__", None) or module
