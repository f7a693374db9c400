"""The talks of this server that are going on: what each needs beside itself, who may act on it, what is kept of it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from app.chat.agents import Agent, find_agent, samplers
from app.reads.chats import read_chat
from app.reads.engine import database_engine
from memfactory_core.errors import ConfigError, MemFactoryError
from memfactory_core.runs import chats
from memfactory_core.runs.place import root
from memfactory_core.talk.banks import KeptBank, open_bank
from memfactory_core.talk.entry import Entry
from memfactory_core.talk.talk import TALK, Talk
from memfactory_core.trace import Episode
from memfactory_core.types import told_by_id

AFTER, BEFORE, BOTH = "After training", "Before training", "Both"
KEPT_TALKS = 100
"""Talks that a server holds at once; the one that was longest idle is closed first. All are kept in the database."""


class LiveTalk:
    """A talk that goes on, its copy with the untrained agent where both answer, and its named bank."""

    def __init__(self, talk: Talk, which: str) -> None:
        self.talk = talk
        self.which = which
        """Which agent answers: after or before its training, or both."""
        self.other: Talk | None = None
        self.kept: KeptBank | None = None
        self.acts: list[tuple[list[Entry], list[Entry]]] = [([one], []) for one in talk.entries]
        """What was said and done, each with what it led to in the talk and in the copy."""
        self.stop = threading.Event()
        self._lock = threading.Lock()

    @contextmanager
    def acting(self, by_hand: bool = False) -> Iterator[None]:
        """One act at a time, whose end is kept; by hand, or the agent's. ConfigError where the agent is still at work,
        RunError where a run has its place on the GPU."""
        if not self._lock.acquire(blocking=False):
            raise ConfigError("the agent is still at work: stop it first, or wait")
        try:
            self.stop.clear()
            if not by_hand:
                self._wake()
            yield
        finally:
            try:
                self.keep()
            finally:
                for talk in filter(None, (self.talk, self.other)):
                    talk.let_go()  # a run may need the place on the GPU
                self._lock.release()

    @property
    def sleeps(self) -> bool:
        """Whether a policy is still to be loaded."""
        return not all(map(samplers.holds, self._agents()))

    @property
    def is_busy(self) -> bool:
        """Whether the agent is at work."""
        return self._lock.locked()

    def _agents(self) -> list[Agent]:
        """Who answers: in the talk, and in its copy."""
        mine = find_agent(self.talk.agent, self.which == BEFORE)
        return [mine, find_agent(self.talk.agent, True)] if self.other else [mine]

    def _wake(self) -> None:
        """The policies, loaded where they are not."""
        for talk, agent in zip((self.talk, self.other), self._agents(), strict=False):
            if talk:
                talk.speak_with(samplers.get(agent))

    def note(self, mine: list[Entry], theirs: list[Entry]) -> None:
        """Puts what an act led to at the end of what is shown."""
        self.acts.append((mine, theirs))

    def compare(self) -> None:
        """From now on the agent before its training answers too, on a copy of the bank."""
        before = find_agent(self.talk.agent, True)
        self.other = self.talk.copy_for(before.label, before.id, before.config)
        self.which = BOTH

    def compare_no_more(self) -> None:
        """The copy ends."""
        if self.other:
            self.other.close()
        self.other, self.which = None, AFTER

    def open_bank(self, name: str) -> None:
        """Goes on in a talk of its own over the bank of this name; "" is a bank that ends with the talk."""
        self.kept = open_bank(root(), name) if name else None
        if self.kept:
            self.talk.open_bank(self.kept.memories, self.kept.next_id, self.kept.name)
            self.note(self.talk.entries[-1:], [])

    def keep(self) -> None:
        """Keeps the trace, and the bank where it has a name."""
        engine = database_engine()
        for talk in filter(None, (self.talk, self.other)):
            if talk.context.events:
                chats.save(engine, talk.label, talk.episode())
        if self.kept:
            self.kept.write(self.talk.memories)

    def close(self) -> None:
        """Lets go of the banks."""
        for talk in filter(None, (self.talk, self.other)):
            talk.close()
        if self.kept:
            self.kept.close()
        self.kept = None


class Talks:
    """The talks of this server by their id."""

    def __init__(self, size: int = KEPT_TALKS) -> None:
        self._size = size
        self._live: OrderedDict[str, LiveTalk] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, agent_id: str, which: str = AFTER, bank: str = "") -> LiveTalk:
        """A new talk. MemFactoryError where the agent cannot be loaded or the bank not be opened; one that another
        talk of this server has open is taken over from it."""
        agent = find_agent(agent_id, which == BEFORE)
        which = which if agent.trained else AFTER
        live = LiveTalk(Talk(agent.label, agent.id, agent.config), which)
        if bank:
            self._release(bank)
        try:
            live.open_bank(bank)
            if which == BOTH:
                live.compare()
        except MemFactoryError:
            live.close()
            raise
        self._put(live)
        return live

    def find(self, talk_id: str) -> LiveTalk | None:
        """The talk of an id, taken up from what was kept of it where this server does not hold it; None where nothing
        is kept. MemFactoryError where its agent is gone."""
        if not isinstance(talk_id, str):  # a browser's own store may hold anything
            return None
        with self._lock:
            if talk_id in self._live:
                self._live.move_to_end(talk_id)
                return self._live[talk_id]
        kept = read_chat(talk_id) if talk_id else None
        about = kept.example.meta.get(TALK) if kept else None
        return self._take_up(kept, about) if kept and about else None

    def _take_up(self, kept: Episode, about: dict[str, str]) -> LiveTalk:
        which = BEFORE if find_agent(about["agent"], True).label == about["label"] else AFTER
        agent = find_agent(about["agent"], which == BEFORE)
        talk = Talk(agent.label, agent.id, agent.config)
        talk.take_up(kept)
        live = LiveTalk(talk, which if agent.trained else AFTER)
        if talk.bank_name:
            self._release(talk.bank_name)
            live.kept = open_bank(root(), talk.bank_name)
            if told_by_id(live.kept.memories) != told_by_id(talk.memories):
                # another talk has gone on with it since: this one keeps the bank that it had
                live.kept.close()
                live.kept, talk.bank_name = None, ""
        self._put(live)
        return live

    def _put(self, live: LiveTalk) -> None:
        with self._lock:
            self._live[live.talk.id] = live
            idle = [i for i, one in self._live.items() if not one.is_busy and one is not live]
            gone = [self._live.pop(i) for i in idle[: max(0, len(self._live) - self._size)]]
        for one in gone:
            one.close()

    def _release(self, bank: str) -> None:
        """Takes a named bank from the talk that has it open. ConfigError where its agent is at work."""
        with self._lock:
            open_now = [one for one in self._live.values() if one.kept and one.kept.name == bank]
        for live in open_now:
            with live.acting(by_hand=True):
                if live.kept:
                    live.kept.close()
                live.kept, live.talk.bank_name = None, ""


talks = Talks()
"""The talks of this server."""
