"""A chat with an agent: which agents there are, how a pasted text becomes an example, and the
driver that plays a paradigm's reading and answering step by step. No widget."""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.reads.engine import database_engine
from app.reads.runs import find_run, list_runs
from memfactory_core import config as configuration
from memfactory_core.config import RunConfig
from memfactory_core.episode import Context, Sampler, Steps
from memfactory_core.errors import ConfigError, MemFactoryError
from memfactory_core.runs import chats
from memfactory_core.runs.tables import Run
from memfactory_core.runs.weights import trained_policy
from memfactory_core.tasks.language import parse_fact
from memfactory_core.tasks.sentences import split_sentences
from memfactory_core.text import normalize_answer
from memfactory_core.trace import Episode
from memfactory_core.types import Evidence, Example

MOST_CHARACTERS = 200_000
MOST_SECTIONS = 400
KEPT_SAMPLERS = 2
WHOLE_CHECKPOINT = "checkpoints/checkpoint-*/trainer_state.json"


class Stopped(Exception):
    """The user has ended the reading."""


@dataclass(frozen=True)
class Agent:
    """Something to chat with: a run's paradigm and policy. `weights` is None for the start."""

    label: str
    config: RunConfig
    weights: Path | None


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

    @property
    def example(self) -> Example | None:
        """What is read and asked."""
        return self.context.example if self.context else None


PRESET_POLICIES = ("tiny", "scripted")
"""Policies of presets that can be talked to at once; the others load a model of gigabytes first."""


def list_agents() -> list[tuple[str, str]]:
    """(label, id) of everything that can be chatted with: runs, newest first, then presets. A name
    that comes twice carries the run's id."""
    found = []
    for run in list_runs(200):
        try:
            config = configuration.build(run.settings, f"run {run.id}")
            if config.mode not in ("train", "evaluate"):
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
        if values.get("mode", "train") in ("train", "evaluate")
        and values["policy"]["kind"] in PRESET_POLICIES
    ]
    return named + presets


def find_agent(agent_id: str, before: bool = False) -> Agent:
    """The agent of an id. MemFactoryError says what is missing."""
    source, _, name = (agent_id or "").partition(":")
    if source == "recipe":
        config = configuration.load(name)
        return Agent(f"{config.name}, not trained", config, None)
    run = find_run(name)
    if source != "run" or run is None:
        raise ConfigError("this agent is gone: choose another one")
    config = configuration.build(run.settings, f"run {run.id}")
    trained = None if before else trained_policy(run, config)
    weights = trained or _start_weights(config)
    when = "after training" if trained else "before training" if config.mode == "train" else ""
    return Agent(f"{run.name}{', ' if when else ''}{when}", config, weights)


def list_checkpoints(run: Run) -> dict[str, Path]:
    """The weights of a run that can be looked at: of its end first, then of its checkpoints, the
    latest first. Only whole ones: the trainer's state is written last."""
    folder = Path(run.folder)
    steps = {int(p.parent.name.split("-")[1]): p.parent for p in folder.glob(WHOLE_CHECKPOINT)}
    found = {f"step {step:,}": steps[step] for step in sorted(steps, reverse=True)}
    end = folder / "policy"
    return ({"the end": end} if any(end.glob("*.safetensors")) else {}) | found


def _start_weights(config: RunConfig) -> Path | None:
    """The weights that a run starts from where they are another run's."""
    other = find_run(config.weights)
    if config.weights and other is None:
        raise ConfigError(f"the run {config.weights} whose weights it starts from is gone")
    if other is None:
        return None
    return trained_policy(other, configuration.build(other.settings, f"run {other.id}"))


class Samplers:
    """Loaded policies, the last few of them."""

    def __init__(self, size: int = KEPT_SAMPLERS) -> None:
        self._size = size
        self._loaded: OrderedDict[str, Sampler] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, agent: Agent) -> Sampler:
        """The agent's live policy. PolicyError where it cannot be loaded."""
        key = f"{agent.config.policy.model_dump_json()} {agent.weights}"
        with self._lock:
            if key not in self._loaded:
                self._loaded[key] = agent.config.policy.load(agent.weights)
            self._loaded.move_to_end(key)
            while len(self._loaded) > self._size:
                self._loaded.popitem(last=False)
            return self._loaded[key]


samplers = Samplers()
"""The loaded policies of this server."""


def split_sections(text: str, sentences: int) -> list[str]:
    """A text in sections of so many sentences. ConfigError where it is empty or too long."""
    if not text.strip():
        raise ConfigError("there is no text to read: paste one, or take an example")
    if len(text) > MOST_CHARACTERS:
        raise ConfigError(
            f"the text has {len(text):,} characters; {MOST_CHARACTERS:,} are read at most"
        )
    parts = split_sentences(text) or [text.strip()]
    found = [" ".join(parts[i : i + sentences]) for i in range(0, len(parts), sentences)]
    if len(found) > MOST_SECTIONS:
        raise ConfigError(
            f"that makes {len(found):,} sections; {MOST_SECTIONS} are read at most: "
            "put more sentences into a section"
        )
    return found


def example_from_text(text: str, question: str, sentences: int) -> Example:
    """What a user typed as an example. A sentence that states the fact asked for is its
    evidence."""
    if not question.strip():
        raise ConfigError("there is no question: the agent decides by it what to remember")
    if len(question) > 2000:
        raise ConfigError("the question is longer than 2,000 characters: shorten it")
    wanted = normalize_answer(question)
    needed = [
        sentence
        for sentence in split_sentences(text)
        if (fact := parse_fact(sentence)) and normalize_answer(fact.question) == wanted
    ]
    return Example(
        id="chat", observations=tuple(split_sections(text, sentences)), question=question.strip(),
        answers=(), evidence=tuple(Evidence(text=sentence) for sentence in needed[:1]),
    )  # fmt: skip


def play_exchange(
    agent: Agent, sampler: Sampler, exchange: Exchange, stopped: Callable[[], bool]
) -> Iterator[Exchange]:
    """Reads section by section and answers, giving the exchange back after each step. A new
    question about a memory that was kept is answered without reading again. A stop takes effect
    before the policy is asked again, also within a section."""
    paradigm, context = agent.config.paradigm, exchange.context
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
