"""The episode engine. An episode is a generator: it yields lists of `Ask`, receives `Completion`s and
returns its answer, so that the same paradigm code serves chat, evaluation and training. `run_episodes`
advances all live episodes in lockstep and batches what they ask.

Parts read the bank, the question and the example's position from `Context`; only its `apply` changes
memory, only its `ask` reaches the policy, only its `recall` reads through a retriever. Each writes its event. What the
user of a talk changes by hand goes the same way: `apply`, `restore` and `pin` write who it was.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from memfactory_core.dialects import Dialect
from memfactory_core.dialects.copied import Copied
from memfactory_core.dialects.quoted import Quoted
from memfactory_core.dialects.thinking import set_apart
from memfactory_core.dialects.wordings import stated_date
from memfactory_core.errors import RunError
from memfactory_core.stores import Bank, Memories, ReadOnly, Refused
from memfactory_core.trace import (
    Asked,
    Cited,
    Episode,
    Event,
    Failed,
    Pinned,
    Recalled,
    Who,
    Wrote,
    replay,
)
from memfactory_core.types import Completion, Example, Hit, Memory, Message, Op, Turn

Heard = Callable[[str], bool]
"""Is told what a policy has said so far; False where it shall stop."""
Steps = Generator["list[Ask]", list[Completion], Any]


@dataclass(frozen=True)
class Ask:
    """One question to the policy. `facts` holds the same content as the messages, unformatted, for programs; `example`
    is for the scripted ones that may know the truth; `copied` is what the answer is made of, `stop` what ends it."""

    role: str
    messages: tuple[Message, ...]
    max_tokens: int
    trainable: bool
    facts: dict[str, Any]
    example: Example
    copied: Copied | None = None
    stop: str = ""


class Answering(Protocol):
    """What `run_episodes` needs of a policy."""

    def complete(self, asks: Sequence[Ask], temperature: float) -> list[Completion]:
        """One completion for each ask, in order. Temperature 0 is greedy."""

    def dialect_of(self, role: str) -> Dialect:
        """How the policy that answers for a role is spoken to and read; the quoted dialect where a class that
        subclasses this says nothing else."""
        return Quoted()


class Sampler(Answering, Protocol):
    """A live policy. One that subclasses this and draws nothing by chance needs `complete` alone; so does an
    endpoint, whose draws nobody here can seed."""

    def stream(self, ask: Ask, temperature: float, heard: Heard) -> Completion:
        """Answers one ask and tells `heard` all that it has said so far, again and again; it ends there where `heard`
        says False. A policy that gives whole texts tells it once."""
        (completion,) = self.complete([ask], temperature)
        heard(completion.text)
        return completion

    def seed(self, seed: int) -> None:
        """Starts its random draws anew: the same asks then get the same completions, bit by bit."""
        return None  # without a body it would be abstract to a checker of types

    def state(self) -> dict[str, Any]:
        """Where its own random draws stand, as plain values and tensors; {} where it has no generator of its
        own. What the process shares (torch's global generator) is not in it."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on drawing from where `state` stood."""
        return None


class Recaller(Protocol):
    """What `Context.recall` needs of a retriever."""

    def retrieve(self, query: str, context: Context) -> Any:
        """The hits, best first; or a generator that asks the policy and returns them."""


@dataclass
class Context:
    """What an episode's code may do: ask, recall, apply. Each act is written into the trace."""

    example: Example
    _bank: Bank
    is_trained: Callable[[str], bool] = lambda role: True
    turns: list[Turn] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    at: int | None = None
    undone: int | None = None
    """The number of a write that is not carried out (what if); None carries all out."""
    dialect_of: Callable[[str], Dialect] = lambda role: Quoted()
    """How the policy that answers for a role is spoken to and read."""
    prompts: Mapping[str, str] = field(default_factory=dict)
    """The recipe's own prompts, by role."""
    searched: str | None = None
    """What the policy wanted to search for in the recall at hand, "" where it did not look; a retriever that asked it
    sets this as the last thing it does."""

    def speak_to(self, sampler: Answering) -> Context:
        """The context itself, in the dialects of this sampler."""
        self.dialect_of = sampler.dialect_of
        return self

    @property
    def bank(self) -> Memories:
        """The memories, for reading."""
        return ReadOnly(self._bank)

    @property
    def question(self) -> str:
        """The question of the example; paradigms decide whether parts may see it while reading."""
        return self.example.question

    def prompt(
        self, role: str, fixed: Sequence[Message], wording: str = "", **values: Any
    ) -> list[Message]:
        """The messages of one ask: the recipe's prompt for the role, else the wording of the policy's dialect (by
        default that of the role), filled with `values`; `fixed` where the dialect has no words of its own."""
        return self.dialect_of(role).messages(
            wording or role, fixed, values, self.prompts.get(role), self._date_of
        )

    def _date_of(self, memory: Memory) -> str:
        told = self.example.observations
        known = memory.source is not None and memory.source < len(told)
        return stated_date(told[memory.source or 0]) if known else ""

    def ask(
        self, role: str, messages: Sequence[Message], max_tokens: int, copied: Copied | None = None, **facts: Any
    ) -> Generator[list[Ask], list[Completion], str]:  # fmt: skip
        """Asks the policy once and returns its text; with `copied` it may say nothing else, if it can be held to it."""
        return (yield from self.ask_all(role, [(messages, facts)], max_tokens, copied))[0]

    def ask_all(
        self, role: str, many: Sequence[tuple[Sequence[Message], dict[str, Any]]], max_tokens: int,
        copied: Copied | None = None, stop: str = "",
    ) -> Generator[list[Ask], list[Completion], list[str]]:  # fmt: skip
        """Asks several independent things at once; they share a batch."""
        trainable = self.is_trained(role)
        asks = [
            Ask(role, tuple(messages), max_tokens, trainable, facts, self.example, copied, stop)
            for messages, facts in many
        ]
        completions = [set_apart(completion) for completion in (yield asks)]
        for ask, completion in zip(asks, completions, strict=True):
            turn = Turn(
                role=role, messages=ask.messages, completion=completion, observation=self.at,
                # what another policy said is nothing that the trained one could learn from
                trainable=trainable and completion.policy is None,
            )  # fmt: skip
            self._log(Asked, role=role, index=len(self.turns))
            self.turns.append(turn)
        return [completion.text for completion in completions]

    @property
    def cut_off(self) -> bool:
        """Whether the last completion stopped at its length limit instead of ending by itself."""
        return bool(self.turns) and self.turns[-1].completion.finish_reason == "length"

    def recall(
        self, retriever: Recaller, query: str
    ) -> Generator[list[Ask], list[Completion], list[Hit]]:
        """Reads memories through a retriever."""
        self.searched = None
        hits = yield from steps(retriever.retrieve(query, self))
        self._log(Recalled, query=query, hits=tuple(hits), searched=self.searched)
        self.searched = None
        return list(hits)

    def cite(self, question: str, memories: Iterable[Memory]) -> None:
        """Records which memories an answer named as those it rests on."""
        self._log(Cited, question=question, memory_ids=tuple(memory.id for memory in memories))

    def apply(self, ops: Iterable[Op], who: Who = "agent", undoes: int | None = None) -> None:
        """Carries the operations out in order; one that the bank refuses is recorded as rejected. `undoes` is the
        number of the write that they take back."""
        for op in ops:
            seq = len(self.events)
            op = Op(action="noop", reason="undone") if seq == self.undone else op
            self._write(op, partial(self._bank.apply, op, seq, self.at), who, undoes)

    def restore(self, memory: Memory, reason: str, undoes: int | None = None) -> None:
        """Brings a memory into the bank under its own id, as the user's write; a refusal is recorded as rejected."""
        op = Op(action="add", memory_id=memory.id, text=memory.text, reason=reason)
        seq = len(self.events)
        self._write(op, partial(self._bank.restore, memory, seq, self.at), "user", undoes)

    def begin_with(self, memories: Sequence[Memory], next_id: int, reason: str) -> None:
        """Fills the bank with memories of before, each as a write of the user's, so that the trace holds them too.
        Refused where they do not fit, with nothing changed."""
        seq, events, held = len(self.events), list[Event](), []
        for memory in memories:
            header = {"seq": seq + len(events), "turn": len(self.turns), "memory_id": memory.id}
            at = {"created": header["seq"], "updated": header["seq"], "source": None}
            held.append(memory.model_copy(update=at))
            events.append(
                Wrote(**header, action="add", after=memory.text, key=memory.key, reason=reason, who="user")
            )  # fmt: skip
            if memory.pinned:
                header["seq"] = seq + len(events)
                events.append(Pinned(**header, pinned=True))
        self._bank.hold(held, next_id)
        self.events += events

    def go_on(self, turns: Sequence[Turn], events: Sequence[Event]) -> None:
        """Takes up where a trace ended: the bank becomes what it was then. Refused where it does not fit."""
        ids = [
            int(event.memory_id)
            for event in events
            # a refused write names whatever the policy has said
            if isinstance(event, Wrote) and event.action == "add"
            if event.memory_id and event.memory_id.isdecimal()
        ]
        self._bank.hold(list(replay(events).values()), max(ids, default=0) + 1)
        self.turns, self.events = list(turns), list(events)

    @property
    def has_new_bank(self) -> bool:
        """Whether the bank has never held anything, not even what is deleted again."""
        return self._bank.next_id == 1 and not self._bank.all()

    def close(self) -> None:
        """Gives back what the bank holds outside this process's memory."""
        self._bank.close()

    def pin(self, memory_id: str, pinned: bool) -> None:
        """Pins a memory or lets go of it, as the user does; a refusal is recorded as rejected."""
        try:
            self._bank.pin(memory_id, pinned)
            self._log(Pinned, memory_id=memory_id, pinned=pinned)
        except Refused as refusal:
            op = Op(action="reject", memory_id=memory_id, reason=str(refusal))
            self.apply([op], "user")

    def _write(
        self, op: Op, write: Callable[[], Wrote], who: Who, undoes: int | None = None
    ) -> None:
        try:
            event = write()
        except Refused as refusal:
            event = Wrote(
                seq=len(self.events), at=self.at, action="reject", memory_id=op.memory_id,
                after=op.text, reason=str(refusal),
            )  # fmt: skip
        said = {"turn": len(self.turns), "who": who, "undoes": undoes}
        reason = {} if event.reason else {"reason": op.reason}
        self.events.append(event.model_copy(update=said | reason))

    def fail(self, error: Exception) -> None:
        """Records that a part raised."""
        self._log(Failed, error=f"{type(error).__name__}: {error}")

    def _log(self, event: type, **fields: Any) -> None:
        self.events.append(event(seq=len(self.events), at=self.at, turn=len(self.turns), **fields))


def steps(result: Any) -> Steps:
    """Runs what a part returned: a generator is followed, anything else is the result itself."""
    if isinstance(result, Generator):
        return (yield from result)
    return result


class Runnable(Protocol):
    """What `run_episodes` needs of a paradigm."""

    def start(self, example: Example) -> Context:
        """A context with an empty bank."""

    def play(self, context: Context) -> Steps:
        """The episode's generator; returns an answer to each question of the example."""


def run_episodes(
    paradigm: Runnable,
    sampler: Answering,
    examples: Sequence[Example],
    temperature: float = 1.0,
    group_ids: Sequence[str] | None = None,
    on_turn: Callable[[int, Context], None] | None = None,
) -> list[Episode]:
    """Plays one episode for each example, all in lockstep: every round batches what all live episodes
    ask. A part that raises ends its own episode as failed; an error of the sampler itself is raised, for
    it concerns all, and so is RunError where every episode failed. Equal `group_ids` mark the
    attempts at one example."""
    contexts = [paradigm.start(example).speak_to(sampler) for example in examples]
    plays: list[Steps] = [paradigm.play(context) for context in contexts]
    inbox: list[list[Completion] | None] = [None] * len(examples)
    answers: list[list[str]] = [[] for _ in examples]
    failed = [False] * len(examples)
    live = list(range(len(examples)))
    while live:
        asked: list[tuple[int, list[Ask]]] = []
        for index in live:
            play, context, said = plays[index], contexts[index], inbox[index]
            try:
                asks = next(play) if said is None else play.send(said)
                asked.append((index, asks))
            except StopIteration as end:
                answers[index] = list(end.value)
            except Exception as error:  # a bad episode is data: it is recorded and shown
                context.fail(error)
                failed[index] = True
            if on_turn:
                on_turn(index, context)
        flat = [ask for _, asks in asked for ask in asks]
        completions = iter(sampler.complete(flat, temperature)) if flat else iter(())
        for index, asks in asked:
            inbox[index] = [next(completions) for _ in asks]
        live = [index for index, _ in asked]
    for context in contexts:
        context._bank.close()
    if examples and all(failed):
        errors = [event.error for event in contexts[0].events if isinstance(event, Failed)]
        raise RunError(f"every episode failed; the first one: {errors[-1]}")
    groups = group_ids or [uuid.uuid4().hex[:12] for _ in examples]
    return [
        Episode(
            id=uuid.uuid4().hex[:12], group_id=group, example=example, turns=tuple(context.turns),
            events=tuple(context.events), answer=(given or [""])[0], other_answers=tuple(given[1:]),
            stop_reason="failed" if bad else "answered",
        )
        for group, example, context, given, bad in zip(
            groups, examples, contexts, answers, failed, strict=True
        )
    ]  # fmt: skip
