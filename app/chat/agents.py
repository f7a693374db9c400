"""The agents that can be talked to: runs and presets, their weights, and the loaded policies."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from app.chat.gpu import free_gpu, is_wanted, require_gpu
from app.reads.engine import database_engine
from app.reads.runs import find_run, list_runs
from memfactory_core import config as configuration
from memfactory_core.config import RunConfig
from memfactory_core.errors import ConfigError, MemFactoryError
from memfactory_core.policies.roles import RoleSampler
from memfactory_core.runs.devices import list_gpus, loads_models
from memfactory_core.runs.jobs import LOOK_EVERY
from memfactory_core.runs.tables import Run
from memfactory_core.runs.weights import (
    TRAINS,
    checkpoints,
    final_weights,
    imitated_weights,
    role_weights,
    start_weights,
    trained_policy,
)

KEPT_SAMPLERS = 2
PRESET_POLICIES = ("tiny", "scripted")
"""Policies of presets that can be talked to at once; the others load a model of gigabytes first."""


@dataclass(frozen=True)
class Agent:
    """Something to chat with: a run's paradigm and policy. `weights` is None for the policy's own, `start` is
    what it was trained from, for roles that keep these."""

    label: str
    config: RunConfig
    weights: Path | None
    start: Path | None = None


def list_agents() -> list[tuple[str, str]]:
    """(label, id) of everything that can be chatted with: runs, newest first, then presets. A name
    that comes twice carries the run's id."""
    found = []
    for run in list_runs(200):
        try:
            config = configuration.build(run.settings, f"run {run.id}")
            if config.mode not in ("train", "imitate", "evaluate"):
                continue  # it has no policy of its own
            trained = trained_policy(run, config)
        except MemFactoryError:
            continue
        how = f"{run.step:,} steps" if trained else "not trained"
        found.append((f"{run.name} · {how}", run.id))
    labels = [label for label, _ in found]
    named = [
        (f"{label} · {run_id}" if labels.count(label) > 1 else label, f"run:{run_id}")
        for label, run_id in found
    ]
    given = {name: configuration.read(name) for name in configuration.recipes()}
    presets = [
        (f"Preset {values.get('name', name)}", f"recipe:{name}")
        for name, values in given.items()
        if values.get("mode", "train") in ("train", "imitate", "evaluate")
        and values["policy"]["kind"] in PRESET_POLICIES
    ]
    return named + presets


def find_agent(agent_id: str, before: bool = False, untrained: bool = False) -> Agent:
    """The agent of an id; `before` its training, which imitation may come before, or `untrained`. MemFactoryError says
    what is missing."""
    source, _, name = (agent_id or "").partition(":")
    if source == "recipe":
        config = configuration.load(name)
        return Agent(f"{config.name}, not trained", config, None)
    run = find_run(name)
    if source != "run" or run is None:
        raise ConfigError("this agent is gone: choose another one")
    config = configuration.build(run.settings, f"run {run.id}")
    folder = Path(run.folder)
    trained = None if before or untrained else trained_policy(run, config)
    weights = trained or start_weights(database_engine(), config)
    if before and config.mode == "train":
        weights = imitated_weights(folder, config) or weights
    when = "after training" if trained else "before training" if config.mode in TRAINS else ""
    start = role_weights(database_engine(), config, folder)
    return Agent(f"{run.name}{', ' if when else ''}{when}", config, weights, start)


def list_checkpoints(run: Run) -> dict[str, Path]:
    """The weights of a run that can be looked at, by a name in words: of its end first, then of its whole
    checkpoints, the latest first."""
    folder = Path(run.folder)
    end = final_weights(folder)
    steps = {f"step {step:,}": path for step, path in checkpoints(folder).items()}
    return ({"the end": end} if end else {}) | steps


class Samplers:
    """Loaded policies, the last few of them. Those on a GPU take turns with runs: none is loaded while a run
    works there, and what is loaded is let go of when one begins or waits."""

    def __init__(self, size: int = KEPT_SAMPLERS) -> None:
        self._size = size
        self._loaded: OrderedDict[str, RoleSampler] = OrderedDict()
        self._on_gpu: set[str] = set()
        self._lock = threading.Lock()

    def get(self, agent: Agent) -> RoleSampler:
        """The agent's live policies. PolicyError where one cannot be loaded; RunError where a run has the GPU."""
        asked = agent.config.model_dump_json(include={"policy", "roles"})
        key = f"{asked} {agent.weights} {agent.start}"
        on_gpu = bool(list_gpus()) and loads_models(agent.config)
        if on_gpu:
            require_gpu(database_engine())
        with self._lock:
            if key not in self._loaded:
                self._loaded[key] = agent.config.load_policies(agent.weights, agent.start)
                if on_gpu and not self._on_gpu:
                    threading.Thread(target=self._give_way, daemon=True).start()
                self._on_gpu |= {key} if on_gpu else set()
            self._loaded.move_to_end(key)
            while len(self._loaded) > self._size:
                self._on_gpu.discard(self._loaded.popitem(last=False)[0])
            return self._loaded[key]

    def _give_way(self) -> None:
        """Watches, as long as a model is on the GPU, for a run that wants it, and lets go then."""
        while True:
            time.sleep(LOOK_EVERY)
            with self._lock:
                if not self._on_gpu:
                    return
                if is_wanted(database_engine()):
                    for key in self._on_gpu:
                        self._loaded.pop(key, None)
                    self._on_gpu.clear()
                    free_gpu()
                    return


samplers = Samplers()
"""The loaded policies of this server."""
