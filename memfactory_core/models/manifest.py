"""What is known of a fetched model: `manifest.json` in its folder, written last, so that a folder without it is
no fetched model."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from memfactory_core.errors import ConfigError
from memfactory_core.models.catalogue import Use
from memfactory_core.models.place import models_folder

FILE = "manifest.json"


class Manifest(BaseModel):
    """Where a model came from and what exactly it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """What settings call it."""
    use: Use
    """What it can be."""
    source: Literal["hub", "package", "folder"]
    """Where it came from."""
    origin: str
    """The hub id, the package, or the folder's path."""
    version: str
    """The hub's commit or the package's version; empty for a folder."""
    sha256: dict[str, str]
    """Of the files with weights as they lie here, by name."""
    origin_sha256: str = ""
    """Of the package's file, which was compared with the one that this version of the lab expects."""
    licence: str
    """As its source states it; "unknown" where it does not."""
    bytes: int
    """Size of its files."""

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return Path(self.origin) if self.source == "folder" else models_folder() / slug(self.name)

    @property
    def digest(self) -> str:
        """The sha256 of what the manifest says: the same model, the same digest, on any machine."""
        kept = self.model_dump_json(exclude={"origin"} if self.source == "folder" else None)
        return hashlib.sha256(kept.encode()).hexdigest()


def slug(name: str) -> str:
    """The name of a model's folder: a hub id without its slash."""
    return name.replace("/", "--")


def find_manifest(name: str) -> Manifest | None:
    """What was fetched under this name; None where nothing was. ConfigError where its manifest is broken."""
    return _read(models_folder() / slug(name))


def list_manifests() -> list[Manifest]:
    """Every fetched model, by name. ConfigError where a manifest is broken."""
    folder = models_folder()
    found = [_read(path) for path in sorted(folder.iterdir())] if folder.is_dir() else []
    return [manifest for manifest in found if manifest]


def _read(folder: Path) -> Manifest | None:
    path = folder / FILE
    if folder.name.endswith(".part") or not path.is_file():
        return None
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigError(
            f"{path} cannot be read; remove the folder {folder} and fetch the model again"
        ) from error


def hash_file(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe(folder: Path) -> tuple[dict[str, str], int]:
    """The sha256 of each file with weights, and the bytes of all files."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    weights = [path for path in files if path.suffix in (".safetensors", ".bin")]
    hashes = {str(path.relative_to(folder)): hash_file(path) for path in sorted(weights)}
    return hashes, sum(path.stat().st_size for path in files)


def use_of(folder: Path) -> Use:
    """Sentence-transformers write `modules.json` beside their models; everything else is taken for a chat model."""
    return "embedding" if (folder / "modules.json").is_file() else "chat"
