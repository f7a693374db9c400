"""One question and what comes of it: the driver that plays a paradigm's reading and answering step by
step. No widget."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from app.chat.agents import Agent
from app.reads.engine import database_engine
from memfactory_core.episode import Context, Sampler, Steps
from memfactory_core.runs import chats
from memfactory_core.trace import Episode


class Stopped(Exception):
    """The user has ended the reading."""


@dataclass
class Exchange:
    """One question and what came of it; it grows while the agent reads."""

    agent: str
    question: str
    context: Context | None = None
    answer: str | None = None
    error: str = ""
    reread: bool = True
    kept: str = ""
    """The id under which it is kept, to be looked into on the Memory page."""


def play_exchange(
    agent: Agent, sampler: Sampler, exchange: Exchange, stopped: Callable[[], bool]
) -> Iterator[Exchange]:
    """Reads section by section and answers, giving the exchange back after each step. A new
    question about a memory that was kept is answered without reading again. A stop takes effect
    before the policy is asked again, also within a section."""
    paradigm, context = agent.config.paradigm, exchange.context
    if context is None:
        raise ValueError("an exchange needs a context: start one, or go on with the last one's")
    context.speak_to(sampler)
    try:
        if exchange.reread:
            for index in range(len(context.example.observations)):
                drive(paradigm.read(index, context), sampler, stopped)
                yield exchange
        answers = paradigm.answer([exchange.question], context)
        exchange.answer = drive(answers, sampler, stopped)[0]
    except Stopped:
        exchange.error = "Stopped."
    yield exchange


def drive(steps: Steps, sampler: Sampler, stopped: Callable[[], bool]) -> Any:
    """Follows an episode's generator to its end, answering what it asks by the sampler, greedily.
    Stopped, with nothing asked any more, once `stopped` says so."""
    try:
        asks = next(steps)
        while True:
            if stopped():
                steps.close()
                raise Stopped
            asks = steps.send(sampler.complete(asks, 0.0))
    except StopIteration as end:
        return end.value


def keep_exchange(exchange: Exchange) -> None:
    """Keeps what was read and answered, so that its bank can be looked into on the Memory page."""
    context = exchange.context
    if context is None or not context.events:
        return
    asked = {"question": exchange.question, **({} if exchange.reread else {"evidence": ()})}
    played = Episode(
        id=uuid.uuid4().hex[:12], group_id="chat", example=context.example.model_copy(update=asked),
        turns=tuple(context.turns), events=tuple(context.events), answer=exchange.answer or "",
        stop_reason="failed" if exchange.error else "answered",
    )  # fmt: skip
    chats.save(database_engine(), exchange.agent, played)
    exchange.kept = played.id
