"""The agents of this server that can be talked to, and their loaded policies."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from pathlib import Path

from app.chat.gpu import free_gpu, is_wanted, require_gpu
from app.reads.engine import database_engine
from memfactory_core.policies.roles import RoleSampler
from memfactory_core.runs import agents
from memfactory_core.runs.agents import Agent
from memfactory_core.runs.devices import list_gpus, loads_models
from memfactory_core.runs.jobs import LOOK_EVERY
from memfactory_core.runs.tables import Run
from memfactory_core.runs.weights import checkpoints, final_weights

KEPT_SAMPLERS = 2


def list_agents() -> list[tuple[str, str]]:
    """(label, id) of everything that can be talked with; see `runs.agents.list_agents`."""
    return agents.list_agents(database_engine())


def find_agent(agent_id: str, before: bool = False, untrained: bool = False) -> Agent:
    """The agent of an id; see `runs.agents.find_agent`."""
    return agents.find_agent(database_engine(), agent_id, before, untrained)


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
        key = self._key(agent)
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

    def holds(self, agent: Agent) -> bool:
        """Whether the agent's policies are loaded."""
        with self._lock:
            return self._key(agent) in self._loaded

    @staticmethod
    def _key(agent: Agent) -> str:
        asked = agent.config.model_dump_json(include={"policy", "roles"})
        return f"{asked} {agent.weights} {agent.start}"

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
