"""run.json: what makes a run's folder tell of itself and the run repeatable, without the database."""

from __future__ import annotations

import json
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from memfactory_core import __version__
from memfactory_core.config import RunConfig
from memfactory_core.errors import RunError
from memfactory_core.rewards.judge import Judging
from memfactory_core.runs.disk import write_json
from memfactory_core.runs.models import describe_models
from memfactory_core.tasks.data_file import sha256

PACKAGES = ("torch", "transformers", "trl", "lancedb", "pydantic")


def read(folder: Path) -> dict[str, Any]:
    """The record of a run's folder. RunError where it is missing or broken."""
    path = folder / "run.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"cannot read {path}: {error}") from error
    if not isinstance(values, dict):
        raise RunError(f"cannot read {path}: it is not a table")
    return values


def commit() -> str:
    """The commit of a checkout that the lab runs from, with "-dirty" where files were changed; "" of an
    installation."""
    checkout = Path(__file__).parents[2]
    if not (checkout / ".git").exists():
        return ""
    words = [
        "git",
        "-C",
        str(checkout),
        "describe",
        "--always",
        "--abbrev=40",
        "--dirty",
        "--exclude=*",
    ]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):  # no git here: nothing depends on it
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def add_versions(folder: Path, config: RunConfig) -> None:
    """Adds what makes the run repeatable: versions, the data files' sha256, the models' manifests."""
    files = {*config.task.files(), *config.held_out.files()}
    versions = {name: version(name) for name in PACKAGES} | {"memfactory-lab": __version__}
    if at := commit():
        versions["commit"] = at
    hashes = {name: sha256(name) for name in sorted(files)}
    added = {"versions": versions, "files": hashes, "models": describe_models(config)}
    write_json(folder / "run.json", read(folder) | added)


def add_judge(folder: Path, when: str, judge: Judging) -> None:
    """Names the judge and says what it left out of the evaluation before or after."""
    values = read(folder)
    kept = values.setdefault("judge", {})
    kept |= {"model": judge.model, "host": judge.host, when: judge.account()}
    write_json(folder / "run.json", values)


def add(folder: Path, values: dict[str, Any]) -> None:
    """Adds values, such as what the run is measured on."""
    write_json(folder / "run.json", read(folder) | values)
