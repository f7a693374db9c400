"""What a model's name in a setting stands for on this machine, and which settings name one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field

from memfactory_core.errors import ConfigError
from memfactory_core.models.catalogue import KNOWN, Use, find_known, is_hub_id
from memfactory_core.models.hub import find_in_hub_cache
from memfactory_core.models.manifest import Manifest, find_manifest


@dataclass(frozen=True)
class ModelReference:
    """Marks a settings field whose text names a model: a known name, a folder or a hub id."""

    use: Use
    """What the model must be able to be."""


ChatModelName = Annotated[str, Field(min_length=1), ModelReference("chat")]
EmbeddingModelName = Annotated[str, Field(min_length=1), ModelReference("embedding")]


def find_fetched(name: str) -> Manifest | None:
    """What was fetched under a name; a known model's hub id is its name too."""
    known = find_known(name)
    return find_manifest(known.name if known else name) if _may_be_fetched(name) else None


def _may_be_fetched(name: str) -> bool:
    """A path is no name: nothing is looked for outside the models' folder."""
    return is_hub_id(name) or (name not in (".", "..") and "/" not in name and "\\" not in name)


def resolve_model(name: str) -> Path:
    """The folder that a model's name stands for: what was fetched under it, else a folder of that path, else what
    the hub's own library keeps. ConfigError says what to type where it is not on this machine."""
    if fetched := find_fetched(name):
        if (fetched.folder / "config.json").is_file():
            return fetched.folder
        raise ConfigError(f"the model {name!r} is not at {fetched.folder} any more")
    known = find_known(name)
    folder = Path(name).expanduser()
    if not (known and known.name == name) and folder.is_dir():
        return folder
    if is_hub_id(name) and (cached := find_in_hub_cache(name)):
        return cached
    if known or is_hub_id(name):
        wanted = known.name if known else name
        raise ConfigError(f"the model {name!r} was not fetched yet: memfactory get {wanted}")
    raise ConfigError(
        f"no model called {name!r} is here: give a folder, a hub id OWNER/NAME, or one of {', '.join(KNOWN)}"
    )


def model_names(settings: Any) -> Iterator[tuple[str, ModelReference]]:
    """Every model that settings name, parts within parts included."""
    if isinstance(settings, BaseModel):
        for name, field in type(settings).model_fields.items():
            value = getattr(settings, name)
            marks = [mark for mark in field.metadata if isinstance(mark, ModelReference)]
            if marks and isinstance(value, str):
                yield value, marks[0]
            else:
                yield from model_names(value)
    elif isinstance(settings, Mapping):
        for value in settings.values():
            yield from model_names(value)
    elif isinstance(settings, list | tuple):
        for value in settings:
            yield from model_names(value)
