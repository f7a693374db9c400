"""Plays what a paradigm asks, step by step, so that it can be watched and stopped."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from memfactory_core.episode import Answering, Steps

Stopped = Callable[[], bool]
"""Whether the user wants the agent to stop."""


class Stop(Exception):
    """The user has stopped the agent."""


def never() -> bool:
    """Not stopped."""
    return False


def drive(steps: Steps, sampler: Answering, stopped: Stopped) -> Generator[str, None, Any]:
    """Follows an episode's generator to its end, answering greedily what it asks; returns what it returns. Yields
    before each ask. Stop, with nothing asked any more, once `stopped` says so."""
    try:
        asks = next(steps)
        while True:
            yield ""
            if stopped():
                steps.close()
                raise Stop
            asks = steps.send(sampler.complete(asks, 0.0))
    except StopIteration as end:
        return end.value
