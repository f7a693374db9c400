"""Fetching a model in a process of its own, which a page starts and looks after: it outlives the browser's tab."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil

from memfactory_core.errors import ConfigError
from memfactory_core.models.catalogue import find_known, is_hub_id
from memfactory_core.models.manifest import slug
from memfactory_core.models.place import VARIABLE, models_folder
from memfactory_core.models.progress import Progress, Teller, read_progress


def can_fetch(name: str) -> bool:
    """Whether `memfactory get` could fetch a model of this name, as far as its form says."""
    return bool(find_known(name)) or is_hub_id(name)


def start_fetch(name: str) -> None:
    """Starts `memfactory get NAME` in the background. ConfigError where it cannot be started, or is under way."""
    if not can_fetch(name):
        raise ConfigError(f"no model called {name!r} can be fetched")
    now = watch_fetch(name)
    if now and not now.error:
        raise ConfigError(f"{now.name} is being fetched already")
    stage = models_folder() / f"{_stage(name)}.part"
    environment = os.environ | {VARIABLE: str(models_folder())}
    try:
        stage.mkdir(parents=True, exist_ok=True)
        with open(stage / "log.txt", "ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "memfactory_core", "get", name], env=environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        Teller(_stage(name), stage, lambda progress: None, child.pid)("starting")
    except OSError as error:
        raise ConfigError(f"cannot fetch {name}: {error.strerror or error}") from error


def watch_fetch(name: str) -> Progress | None:
    """How far the fetch of this model is, or why it ended early (`error`); None where none is under way."""
    stage = models_folder() / f"{_stage(name)}.part"
    progress = read_progress(stage)
    if progress is None or progress.error or _lives(progress.pid):
        return progress
    if not (progress := read_progress(stage)) or progress.error:  # it ended since the look
        return progress
    reason = f"the fetch ended early while {progress.phase}; what was downloaded is kept"
    return progress.model_copy(update={"error": reason})


def _stage(name: str) -> str:
    known = find_known(name)
    return slug(known.name if known else name)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
