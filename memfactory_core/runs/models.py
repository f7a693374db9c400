"""The models that a run uses: looked for before it starts, named in its record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from memfactory_core import __version__
from memfactory_core.config import RunConfig
from memfactory_core.models.manifest import describe
from memfactory_core.models.resolve import find_fetched, model_names, resolve_model
from memfactory_core.policies import Policy

POLICY = ("policy", "roles")
SEARCH = ("retrieval",)


def used_models(config: RunConfig) -> dict[str, Path]:
    """The models that this run loads, by name, and where they lie. ConfigError says what to type where one is not
    on this machine."""
    # comparing retrievers loads no policy, and a policy's run compares no retrievers
    unused = POLICY if config.mode in ("retrieve", "rerank") else SEARCH
    groups = [getattr(config, name) for name in RunConfig.model_fields if name not in unused]
    names = dict.fromkeys(name for group in groups for name, _ in model_names(group))
    return {name: resolve_model(name) for name in names}


def describe_models(config: RunConfig) -> dict[str, dict[str, Any]]:
    """For a run's record: of each model its source, version and weights, and the sha256 of its manifest (None for a
    folder that was not fetched)."""
    described: dict[str, dict[str, Any]] = {}
    for name, folder in used_models(config).items():
        if manifest := find_fetched(name):
            shown = manifest.model_dump(include={"source", "version", "licence", "sha256"})
            described[name] = shown | {"manifest": manifest.digest}
        else:
            described[name] = {"source": "folder", "manifest": None, "sha256": describe(folder)[0]}
    return described | _shipped_models(config)


def _shipped_models(config: RunConfig) -> dict[str, dict[str, Any]]:
    """The weights that come with the package and that a policy of the run begins with, by the policy's kind."""
    if config.mode in ("retrieve", "rerank"):
        return {}
    policies = [config.policy, *(one for one in config.roles.values() if isinstance(one, Policy))]
    found = {one.kind: one.shipped for one in policies if one.shipped}
    return {
        kind: {
            "source": "package", "version": __version__, "licence": "apache-2.0", "manifest": None,
            "sha256": describe(folder)[0],
        }
        for kind, folder in found.items()
    }  # fmt: skip
