"""What must be there before a run is made: its data files, models and starting weights, and room on the disk. A start
that is refused leaves no run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import Engine

from memfactory_core.config import RunConfig
from memfactory_core.errors import ConfigError, MemFactoryError, RunError
from memfactory_core.policies.hf import HF
from memfactory_core.runs.devices import count_slots, needed_device
from memfactory_core.runs.footprint import foresee, in_units
from memfactory_core.runs.models import used_models
from memfactory_core.runs.place import root
from memfactory_core.runs.weights import ancestors, role_weights, start_weights
from memfactory_core.scoring.split import LEARNING, held_out_examples, training_examples
from memfactory_core.tasks.data_file import unreadable
from memfactory_core.types import Record


class Check(Record):
    """One thing that a run needs: its name, what was found, and whether the run can start with it."""

    name: str
    told: str
    passed: bool = True


def refuse_start(engine: Engine, config: RunConfig) -> None:
    """ConfigError or RunError where a data file, a model or the weights that a run starts from are not here; quick:
    nothing is read from the files."""
    require_files(config)
    require_trackers(config)
    used_models(config)
    require_engines(config)
    start_weights(engine, config)
    role_weights(engine, config, None)


def require_files(config: RunConfig) -> None:
    """ConfigError where a data file is not there."""
    for name in dict.fromkeys([*config.task.files(), *config.held_out.files()]):
        if not name or not Path(name).is_file():
            raise unreadable(name)


def require_engines(config: RunConfig) -> None:
    """ConfigError where a model is to generate by an engine that cannot."""
    if config.mode in ("retrieve", "rerank"):  # they load no policy
        return
    for policy in (config.policy, *config.roles.values()):
        if isinstance(policy, HF):
            policy.require_engine()


def require_trackers(config: RunConfig) -> None:
    """ConfigError where the package of a tracker is not installed."""
    for name in wanted_trackers(config):
        if find_spec(name) is None:
            raise ConfigError(
                f"training.report_to: the tracker {name!r} needs its package: pip install {name}"
            )


def wanted_trackers(config: RunConfig) -> tuple[str, ...]:
    """The trackers that a training reports to."""
    return config.training.report_to if config.mode == "train" else ()


def _look_at_data(engine: Engine, config: RunConfig) -> str:
    files = dict.fromkeys([*config.task.files(), *config.held_out.files()])
    if not files:
        return "made as it is needed; what is measured has other names and seeds"
    require_files(config)
    held = len(held_out_examples(config, *ancestors(engine, config)))
    names = ", ".join(Path(name).name for name in files)
    if config.mode not in LEARNING:
        return f"{names}: {held:,} examples to measure"
    learned = len({(one.text, one.question) for one in training_examples(config)})
    return f"{names}: {learned:,} examples to learn from, {held:,} held out, none in common"


def _look_at_models(engine: Engine, config: RunConfig) -> str:
    found = used_models(config)
    require_engines(config)
    if config.policy.kind == "tiny" and config.task.files():
        return "comes with the lab; it was taught an invented language, of a file's words it knows the letters alone"
    return ", ".join(f"{name} in {place}" for name, place in found.items()) or "comes with the lab"


def _look_at_weights(engine: Engine, config: RunConfig) -> str:
    role_weights(engine, config, None)
    return (
        "the policy's own" if start_weights(engine, config) is None else f"of run {config.weights}"
    )


def _look_at_device(engine: Engine, config: RunConfig) -> str:
    slots = count_slots()
    device = needed_device(config)
    there = sum(count for name, count in slots.items() if name.startswith(device))
    gpu = "" if any(name.startswith("cuda") for name in slots) else "; no GPU is here"
    name = "CPU" if device == "cpu" else "GPU"
    return f"{name}, {there} at once{gpu}"


def _look_at_trackers(engine: Engine, config: RunConfig) -> str:
    require_trackers(config)
    return f"{', '.join(wanted_trackers(config))}, installed"


def _look_at_disk(engine: Engine, config: RunConfig) -> str:
    place = root()
    place.mkdir(parents=True, exist_ok=True)
    free, needed = shutil.disk_usage(place).free, foresee(engine, config).total
    if needed > free:
        raise RunError(
            f"about {in_units(needed)} are needed and {in_units(free)} are free in {place}: free space, or keep less "
            "(retention.every, retention.episodes)"
        )
    return f"{in_units(free)} are free, about {in_units(needed)} are needed"


CHECKS: dict[str, Callable[[Engine, RunConfig], str]] = {
    "Data": _look_at_data,
    "Model": _look_at_models,
    "Weights": _look_at_weights,
    "Device": _look_at_device,
    "Disk": _look_at_disk,
    "Trackers": _look_at_trackers,
}
"""What is looked at before a start, by name; each says what it found, or raises what is missing."""


def name_checks(config: RunConfig) -> list[str]:
    """The checks that concern a run."""
    return [name for name in CHECKS if name != "Trackers" or wanted_trackers(config)]


def carry_out(name: str, engine: Engine, config: RunConfig) -> Check:
    """One check of `CHECKS`."""
    try:
        return Check(name=name, told=CHECKS[name](engine, config))
    except MemFactoryError as error:
        return Check(name=name, told=str(error), passed=False)


def find_checks(engine: Engine, config: RunConfig) -> list[Check]:
    """Everything that is looked at before a start, the data files read to their ends."""
    return [carry_out(name, engine, config) for name in name_checks(config)]
