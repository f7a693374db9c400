"""The GPU that a chat and runs use in turn: runs go first, and the chat says what it waits for."""

from __future__ import annotations

import gc
import sys

from sqlalchemy import Engine

from memfactory_core.errors import RunError
from memfactory_core.runs.database import active_runs
from memfactory_core.runs.tables import WORKING
from memfactory_core.text import describe_duration

CHAT_GPU = "cuda:0"
"""Where policies are loaded in the lab's own process: on the first GPU that it sees."""


def require_gpu(engine: Engine) -> None:
    """RunError, with what it waits for, where a run works on the chat's GPU."""
    for run in active_runs(engine):
        if run.state in WORKING and run.device == CHAT_GPU:
            left = f", about {describe_duration(max(1.0, run.eta))} left" if run.eta else ""
            raise RunError(
                f"{CHAT_GPU} is held by run {run.id} ({run.phase or run.state}{left}): this model can be talked to "
                "when the run has ended; or stop the run, it can be resumed"
            )


def is_wanted(engine: Engine) -> bool:
    """Whether a run works on the chat's GPU or waits for one."""
    return any(run.device in (CHAT_GPU, "cuda") for run in active_runs(engine))


def free_gpu() -> None:
    """Gives the memory of models that are not used any more back to the GPU."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
