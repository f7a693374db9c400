"""Plays what a paradigm asks, step by step, so that it can be watched and stopped; answers are heard as they are
said."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from queue import Empty, Queue
from typing import Any

from memfactory_core.dialects.thinking import set_apart
from memfactory_core.episode import Ask, Sampler, Steps
from memfactory_core.types import Completion

Stopped = Callable[[], bool]
"""Whether the user wants the agent to stop."""


class Stop(Exception):
    """The user has stopped the agent."""


def never() -> bool:
    """Not stopped."""
    return False


def drive(steps: Steps, sampler: Sampler, stopped: Stopped) -> Generator[str, None, Any]:
    """Follows an episode's generator to its end, answering greedily what it asks; returns what it returns. Yields
    before each ask, and while an answer is said what there is of it. Stop, with nothing asked any more, once `stopped`
    says so."""
    try:
        asks = next(steps)
        while True:
            yield ""
            if stopped():
                raise Stop
            if len(asks) == 1 and asks[0].role == "answer":
                completions = [(yield from listen(sampler, asks[0], stopped))]
            else:
                completions = sampler.complete(asks, 0.0)
            asks = steps.send(completions)
    except StopIteration as end:
        return end.value
    finally:
        steps.close()


def listen(sampler: Sampler, ask: Ask, stopped: Stopped) -> Generator[str, None, Completion]:
    """The completion of one ask; yields what has been said of it so far, without thinking and without what comes after
    the ask's `stop`. Stop where it was stopped in the midst of it."""
    said: Queue[str | None] = Queue()
    done: list[Completion] = []
    failed: list[BaseException] = []
    left = threading.Event()

    def hear(text: str) -> bool:
        said.put(text)
        return not (left.is_set() or stopped())

    def work() -> None:
        try:
            done.append(sampler.stream(ask, 0.0, hear))
        except BaseException as error:  # raised again by who waits
            failed.append(error)
        said.put(None)

    # a policy speaks by calling, a talk is watched by asking: between the two stands a thread
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while (text := _latest(said)) is not None:
            yield _until(ask.stop, set_apart(Completion(text=text)).text)
    finally:
        left.set()
        thread.join()
    if failed:
        raise failed[0]
    if stopped():
        raise Stop
    return done[0]


def _until(stop: str, text: str) -> str:
    """A text up to the first stop in it, which is part of it."""
    before, found, _ = text.partition(stop) if stop else (text, "", "")
    return before + found


def _latest(said: Queue[str | None]) -> str | None:
    """Waits for something that was said; the last of it where more is there already. None once all is said."""
    text = said.get()
    while text is not None:
        try:
            later = said.get_nowait()
        except Empty:
            return text
        if later is None:
            said.put(None)
            return text
        text = later
    return None
