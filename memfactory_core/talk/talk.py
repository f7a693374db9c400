"""The talk itself: messages are read by the paradigm's own code, questions answered from memory, and everything stands
in one trace, from which the talk can be taken up again."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any

from memfactory_core.config import RunConfig
from memfactory_core.dialects.quoted import Quoted
from memfactory_core.episode import Sampler, Steps
from memfactory_core.errors import ConfigError, MemFactoryError
from memfactory_core.rewards.answers import extract_answer
from memfactory_core.stores import Refused
from memfactory_core.talk.driving import Stop, Stopped, drive, never
from memfactory_core.talk.entry import Entries, Entry, EntryKind
from memfactory_core.talk.evidence import question_of
from memfactory_core.talk.hint import hear, hear_document
from memfactory_core.talk.message import How, split_sections, take_apart
from memfactory_core.trace import Episode, Failed, replay
from memfactory_core.types import Example, Memory, told_by_id
from memfactory_core.updaters.overwrite import OPEN_QUESTION

TALK = "talk"
"""Under this name in an example's meta stands what the talk's trace does not say: who it was with, and its entries."""
MOST_DOCUMENT_SECTIONS = 2000


class Talk:
    """A conversation with one agent over one bank."""

    def __init__(
        self, label: str, agent: str, config: RunConfig, sampler: Sampler | None = None
    ) -> None:
        """`label` names the agent in words, `agent` is where it is found again (`run:ID`, `recipe:NAME`). Without a
        sampler it is there to be looked at and changed by hand, until `speak_with` gives it one."""
        self.id = uuid.uuid4().hex[:12]
        self.label = label
        self.agent = agent
        self.config = config
        self.sampler = sampler
        self.entries: list[Entry] = []
        self.waiting: list[str] = []
        """Messages of a session that is not over."""
        self.bank_name = ""
        """The bank that lasts under this name; "" where the bank ends with the talk."""
        self.on_change: Callable[[Talk], None] | None = None
        """Called after each entry, to keep what lasts."""
        start = Example(id=TALK, observations=(), question=OPEN_QUESTION, answers=())
        self.context = config.paradigm.start(start)
        if sampler:
            self.speak_with(sampler)
        kept = self.context.bank.all()
        if kept:  # the store names a table of its own
            try:
                self.open_bank(kept, 1, "")
            except ConfigError:
                self.close()  # nobody else has it to close
                raise

    def speak_with(self, sampler: Sampler) -> None:
        """Goes on with another live policy, such as the same one loaded again."""
        self.sampler = sampler
        self.context.speak_to(sampler)

    def let_go(self) -> None:
        """Holds its policy no longer, so that a model's memory can be used by others, until `speak_with`."""
        self.sampler = None
        self.context.dialect_of = lambda role: Quoted()

    @property
    def memories(self) -> list[Memory]:
        """The bank as it is."""
        return self.context.bank.all()

    @property
    def waits_for_session(self) -> bool:
        """Whether messages are read together, at the end of their session."""
        return self.config.paradigm.extractor.whole_sessions

    def open_bank(self, memories: Sequence[Memory], next_id: int, name: str) -> None:
        """Begins with the memories of a bank. ConfigError where they do not fit into the agent's store."""
        if self._would_lose(memories):
            raise ConfigError(
                f"this agent keeps a table of its own, which the bank {name!r} would replace: talk without a bank"
            )
        entry = self.begin("bank", name)
        try:
            self.context.begin_with(memories, next_id, f"opened with the bank {name}".strip())
        except Refused as refusal:
            self.entries.remove(entry)
            raise ConfigError(
                f"the bank {name!r} does not fit this agent's store: {refusal}"
            ) from refusal
        self.bank_name = name
        self.finish(entry)

    def _would_lose(self, memories: Iterable[Memory]) -> bool:
        """Whether the bank holds, or has held, something else than these memories, which shall take its place."""
        return not self.context.has_new_bank and told_by_id(memories) != told_by_id(self.memories)

    def say(self, text: str, how: How = "auto", stopped: Stopped = never) -> Entries:
        """One message: what is told is read, what is asked is answered. Gives the entry back after each step of the
        agent. ConfigError where the message is empty or too long."""
        heard, hint = hear(text.strip(), self.config)
        words = take_apart(heard, how, self.config)
        if hint:
            entry = self.begin("hint", text.strip())
            entry.note = hint
            self.finish(entry)
            yield entry
            return
        if words.sections and self.waits_for_session:
            yield self._wait(" ".join(words.sections))
        elif words.sections:
            entry = self.begin("told", " ".join(words.sections), len(words.sections))
            yield from self._guard(
                entry, self._read(entry, words.sections, words.question, stopped)
            )
            if entry.note:
                return
        if words.question:
            if self.waiting:
                yield from self.end_session(stopped)
            entry = self.begin("asked", words.question)
            yield from self._guard(entry, self._answer(entry, stopped))

    def read_document(self, name: str, text: str, stopped: Stopped = never) -> Entries:
        """Reads a document section by section. ConfigError where there is nothing in it or too much."""
        sections = split_sections(text, self.config)
        if not sections:
            raise ConfigError(f"there is no text in {name}")
        if len(sections) > MOST_DOCUMENT_SECTIONS:
            raise ConfigError(
                f"{name} makes {len(sections):,} sections; {MOST_DOCUMENT_SECTIONS:,} are read at most: "
                "send a part of it"
            )
        hint = hear_document(text, self.config)
        entry = self.begin("hint" if hint else "document", name, 0 if hint else len(sections))
        if hint:
            entry.note = hint
            self.finish(entry)
            yield entry
            return
        yield from self._guard(entry, self._read(entry, sections, "", stopped))

    def end_session(self, stopped: Stopped = never) -> Entries:
        """Reads the messages that wait, as one session."""
        if not self.waiting:
            return
        told, self.waiting = "\n".join(self.waiting), []
        entry = self.begin("session", "", 1)
        yield from self._guard(entry, self._read(entry, [told], "", stopped))

    def begin(self, kind: EntryKind, text: str, sections: int = 0) -> Entry:
        """A new entry, whose events begin now."""
        now = len(self.context.events)
        entry = Entry(
            kind=kind, text=text, first=now, end=now,
            first_section=len(self.context.example.observations), sections=sections,
        )  # fmt: skip
        self.entries.append(entry)
        return entry

    def finish(self, entry: Entry) -> None:
        """The entry has led to all its events."""
        entry.end = len(self.context.events)
        entry.partial = ""
        if self.on_change:
            self.on_change(self)

    def _wait(self, told: str) -> Entry:
        entry = self.begin("told", told)
        entry.note = "waits for the end of the session, when its topics are written"
        self.waiting.append(told)
        self.finish(entry)
        return entry

    def _guard(self, entry: Entry, work: Entries) -> Entries:
        """Whatever a part or a model does, the talk stays usable: the entry says what went wrong."""
        try:
            yield entry
            yield from work
        except (Stop, KeyboardInterrupt):
            entry.note, entry.answer = "Stopped.", entry.partial or None
        except MemFactoryError as error:
            self.context.fail(error)
            entry.note = str(error)
        except Exception as error:
            logging.getLogger(__name__).exception("the agent failed")
            self.context.fail(error)
            entry.note = f"The agent failed ({type(error).__name__}: {error})"
        self.finish(entry)
        yield entry

    def _read(
        self, entry: Entry, sections: Sequence[str], question: str, stopped: Stopped
    ) -> Entries:
        known = question or self._last_question
        for section in sections:
            told = self.context.example.observations
            update = {"observations": (*told, section), "question": known}
            self.context.example = self.context.example.model_copy(update=update)
            steps = self.config.paradigm.read(len(told), self.context)
            yield from self._drive(entry, steps, stopped)
            entry.read += 1
            yield entry

    def _answer(self, entry: Entry, stopped: Stopped) -> Entries:
        update = {"question": entry.text}
        self.context.example = self.context.example.model_copy(update=update)
        steps = self.config.paradigm.answer([entry.text], self.context)
        (said,) = yield from self._drive(entry, steps, stopped)
        # as it is scored: chat models put what they answer into a box; the trace keeps their words
        entry.answer = extract_answer(said) if "\\box" in said else said
        yield entry

    def _drive(self, entry: Entry, steps: Steps, stopped: Stopped) -> Generator[Entry, None, Any]:
        if self.sampler is None:
            raise ConfigError("the agent's policy is not loaded")
        driven = drive(steps, self.sampler, stopped)
        while True:
            try:
                entry.partial = next(driven)
            except StopIteration as end:
                entry.end = len(self.context.events)
                return end.value
            entry.end = len(self.context.events)
            yield entry

    @property
    def _last_question(self) -> str:
        """What a memory that is written for a question is written for."""
        asked = [entry.text for entry in self.entries if entry.kind == "asked"]
        return asked[-1] if asked else OPEN_QUESTION

    def episode(self) -> Episode:
        """The whole talk as a trace."""
        asked = [entry for entry in self.entries if entry.kind == "asked"]
        told = self.context.example.observations
        questions = [question_of(entry.text, told) for entry in asked]
        answers = [entry.answer or "" for entry in asked] or [""]
        about = {
            "label": self.label, "agent": self.agent, "bank": self.bank_name, "waiting": self.waiting,
            "entries": [entry.model_dump(exclude_defaults=True) for entry in self.entries],
        }  # fmt: skip
        first = questions[0] if questions else question_of("", ())
        update = {
            "question": first.question, "evidence": first.evidence, "others": tuple(questions[1:]),
            "meta": {TALK: about},
        }  # fmt: skip
        example = self.context.example.model_copy(update=update)
        events = tuple(self.context.events)
        return Episode(
            id=self.id, group_id=TALK, example=example, turns=tuple(self.context.turns), events=events,
            answer=answers[0], other_answers=tuple(answers[1:]),
            stop_reason="failed" if events and isinstance(events[-1], Failed) else "answered",
        )  # fmt: skip

    def take_up(self, episode: Episode) -> None:
        """Goes on where a talk ended that was kept as a trace. ConfigError, and the talk is closed, where its bank does
        not fit, or where a table that lasts has become another since."""
        about = episode.example.meta.get(TALK, {})
        if self._would_lose(replay(episode.events).values()):
            self.close()
            raise ConfigError(
                "another talk has gone on with this agent's table since: begin a new one"
            )
        try:
            self.context.go_on(episode.turns, episode.events)
        except Refused as refusal:
            self.close()
            raise ConfigError(f"the talk cannot be gone on with: {refusal}") from refusal
        self.id = episode.id
        self.entries = talk_entries(episode)
        self.waiting = list(about.get("waiting", ()))
        self.bank_name = about.get("bank", "")
        update = {"observations": episode.example.observations, "question": self._last_question}
        self.context.example = self.context.example.model_copy(update=update)

    def copy_for(
        self, label: str, agent: str, config: RunConfig, sampler: Sampler | None = None
    ) -> Talk:
        """The same talk so far, to go on with another agent on a copy of the bank. ConfigError where the bank does
        not fit."""
        other = Talk(label, agent, config, sampler)
        own = other.id
        other.take_up(self.episode())
        other.id, other.bank_name = own, ""
        return other

    def close(self) -> None:
        """Gives back what the bank holds."""
        self.context.close()


def talk_entries(episode: Episode) -> list[Entry]:
    """The entries of a talk that was kept; [] of any other episode."""
    return [
        Entry.model_validate(entry)
        for entry in episode.example.meta.get(TALK, {}).get("entries", ())
    ]
