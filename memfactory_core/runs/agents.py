"""The agents that can be talked to: runs and recipes, with their weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from memfactory_core import config as configuration
from memfactory_core.config import RunConfig
from memfactory_core.errors import ConfigError, MemFactoryError
from memfactory_core.runs import database
from memfactory_core.runs.labels import tell_apart
from memfactory_core.runs.models import used_models
from memfactory_core.runs.weights import (
    TRAINS,
    imitated_weights,
    role_weights,
    start_weights,
    trained_policy,
)

PRESET_POLICIES = ("tiny", "scripted")
"""Policies of recipes that can be talked to at once; the others load a model of gigabytes first."""
MODES = (*TRAINS, "evaluate")
"""Modes of runs that have a policy of their own."""


@dataclass(frozen=True)
class Agent:
    """Something to talk with: a run's paradigm and policy. `weights` is None for the policy's own, `start` is
    what it was trained from, for roles that keep these."""

    label: str
    config: RunConfig
    weights: Path | None
    start: Path | None = None
    id: str = ""
    """Where it is found again: `run:ID` or `recipe:NAME`."""
    trained: bool = False
    """Whether there is a before and an after."""


def list_agents(engine: Engine) -> list[tuple[str, str]]:
    """(label, id) of everything that can be talked with: runs, newest first, then recipes. Behind the other runs stand
    those from elsewhere that load a model of their own, and last those whose model is not on this machine. A name that
    comes twice says when its run was made."""
    found = []
    place: dict[str, int] = {}
    for run in database.list_runs(engine, 200):
        try:
            config = configuration.build(run.settings, f"run {run.id}")
            if config.mode not in MODES:
                continue
            trained = trained_policy(run, config)
        except MemFactoryError:
            continue
        how = f"{run.step:,} steps" if trained else "not trained"
        place[run.id] = int(bool(run.origin) and config.policy.kind not in PRESET_POLICIES)
        if not _has_its_models(config):
            how += " · its model is not here"
            place[run.id] = 2
        found.append((run.id, f"{run.name} · {how}", run.created))
    found.sort(key=lambda entry: place[entry[0]])
    named = [(label, f"run:{run_id}") for run_id, label in tell_apart(found).items()]
    given = {name: configuration.read(name) for name in configuration.recipes()}
    presets = [
        (f"Preset {values.get('name', name)}", f"recipe:{name}")
        for name, values in given.items()
        if values.get("mode", "train") in MODES and values["policy"]["kind"] in PRESET_POLICIES
    ]
    return named + presets


def _has_its_models(config: RunConfig) -> bool:
    try:
        used_models(config)
    except ConfigError:
        return False
    return True


def find_agent(
    engine: Engine, agent_id: str, before: bool = False, untrained: bool = False
) -> Agent:
    """The agent of an id; with `before` as it was before its training, which imitation may have come before, with
    `untrained` as it was before that too. MemFactoryError says what is missing."""
    source, _, name = (agent_id or "").partition(":")
    if source == "recipe":
        config = configuration.load(name)
        return Agent(f"{config.name}, not trained", config, None, id=agent_id)
    if source != "run" or not name:
        raise ConfigError("this agent is gone: choose another one")
    run = database.get_run(engine, name)
    config = configuration.build(run.settings, f"run {run.id}")
    folder = Path(run.folder)
    trained = None if before or untrained else trained_policy(run, config)
    imitated = imitated_weights(folder, config) if before and config.mode == "train" else None
    weights = trained or imitated or start_weights(engine, config)
    when = "after training" if trained else "before training" if config.mode in TRAINS else ""
    return Agent(
        f"{run.name}{', ' if when else ''}{when}", config, weights,
        role_weights(engine, config, None if untrained else folder), agent_id, config.mode in TRAINS,
    )  # fmt: skip
