"""Entries of a log as episodes. Everything of a session up to an answer is one episode, with that answer at its end: so
what memory held is judged at the moment of the question, whatever came later.

Where a session does not say what was read, the text of each write stands for it. Where an answer does not say what was
needed, it is the sentence told before that holds the right answer and shares most words with the question."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from memfactory_core.errors import RunError
from memfactory_core.logs.entry import Entry, Found
from memfactory_core.rewards import score_all
from memfactory_core.tasks.sentences import split_sentences
from memfactory_core.text import telling
from memfactory_core.trace import Asked, Episode, Event, Recalled, Wrote, words_line
from memfactory_core.types import Completion, Evidence, Example, Hit, Memory, Turn

MOST_EVENTS = 400_000
"""Events and texts of all episodes together: a session with many answers is told again for each of them."""
MOST_WORK = 20_000_000
"""Writes times memories: each write is compared with the bank that it was made in."""
MOST_PAIRS = 400_000_000
"""Sentences of writes times sentences that were there, read or remembered: each may be compared with each."""
MOST_CHARACTERS = 50_000_000
"""Characters of what is read in all episodes together."""
WEIGHTS = {"exact_match": 1.0}


@dataclass
class _Session:
    """What is known of a session up to an entry."""

    name: str
    observations: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    """The observations' words, to be looked through."""
    characters: int = 0
    events: list[Event] = field(default_factory=list)
    bank: dict[str, str] = field(default_factory=dict)
    work: int = 0
    """Memories that its writes are compared with: at each write those of the bank at that time."""
    heard: int = 0
    """Sentences of what was read last."""
    remembered: int = 0
    """Sentences of all memories."""
    pairs: int = 0
    """Sentences of its writes times those that were there."""
    reads: bool = False
    """Whether the log says what was read."""
    made: int = 0
    """Memories to which the log gave no id."""
    answers: int = 0
    searches: list[Entry] = field(default_factory=list)
    """Searches of which it is not known yet whether they were made to answer."""

    @property
    def at(self) -> int | None:
        return len(self.observations) - 1 if self.observations else None

    def read(self, text: str) -> None:
        self.observations.append(text)
        self.lines.append(words_line(text))
        self.characters += len(text)
        self.heard = len(split_sentences(text))

    def remember(self, name: str, text: str) -> None:
        """Keeps a memory, anew where there is one of this name."""
        written, gone = len(split_sentences(text)), len(split_sentences(self.bank.get(name, "")))
        self.pairs += written * (self.heard + self.remembered)
        self.remembered += written - gone
        self.bank[name] = text

    def forget(self, name: str) -> None:
        """Lets go of a memory, if there is one."""
        self.remembered -= len(split_sentences(self.bank.pop(name, "")))

    def log(self, event: type, **values: object) -> None:
        self.events.append(event(seq=len(self.events), at=self.at, turn=0, **values))


def to_episodes(entries: Sequence[Entry]) -> list[Episode]:
    """The episodes of a log, scored. A session without an answer is one episode without a question. RunError where
    they would be too many."""
    sessions: dict[str, _Session] = {}
    telling_reads = {entry.session for entry in entries if entry.op == "read"}
    episodes: list[Episode] = []
    room = _Room()
    for entry in entries:
        session = sessions.setdefault(entry.session, _Session(entry.session))
        session.reads = entry.session in telling_reads
        if entry.op == "search":
            session.searches.append(entry)
        elif entry.op == "answer":
            room.take(session)
            episodes.append(_answered(session, entry))
        else:
            _recall(session, session.searches)
            _take(session, entry)
    for session in sessions.values():
        if not session.answers:
            _recall(session, session.searches)
            room.take(session)
            episodes.append(_episode(session, None, session.events))
    return score_all(episodes, WEIGHTS)


@dataclass
class _Room:
    """How much has become of a log so far."""

    events: int = 0
    work: int = 0
    pairs: int = 0
    characters: int = 0

    def take(self, session: _Session) -> None:
        """Counts one more episode of a session, before it is made. RunError where there is no room for it."""
        self.events += len(session.events) + len(session.observations) + len(session.searches)
        self.work += session.work
        self.pairs += session.pairs
        self.characters += session.characters
        for count, most, what in (
            (self.events, MOST_EVENTS, "events and texts"),
            (self.work, MOST_WORK, "comparisons of a write with a memory"),
            (self.pairs, MOST_PAIRS, "comparisons of a written sentence with another"),
            (self.characters, MOST_CHARACTERS, "characters of what was read"),
        ):
            if count > most:
                raise RunError(
                    f"the log is too large: a session is told again for each of its answers, and {count:,} {what} "
                    f"(at most {most:,}) would come of it so far; import a part of it, or give its parts sessions of "
                    "their own"
                )


def _take(session: _Session, entry: Entry) -> None:
    """What was read, or a write."""
    if entry.op == "read":
        session.read(entry.text)
        return
    if not session.reads or not session.observations:
        session.read(entry.text)  # nobody tells what it was written from
    if entry.op == "delete" and entry.id == "*":
        for name in list(session.bank):
            _write(session, entry.model_copy(update={"id": name}))
        return
    _write(session, entry)


def _write(session: _Session, entry: Entry) -> None:
    session.work += 1 + len(session.bank)
    name, action = entry.id, entry.op
    if name is None and action == "add":
        session.made += 1
        name = f"entry-{session.made}"
    before = session.bank.get(name, entry.before) if name else None
    if action == "update" and before is None:
        action = "add"  # the log knows nothing of it before
    after = entry.text if action in ("add", "update") else entry.text or None
    if action in ("add", "update") and name:
        session.remember(name, entry.text)
    if action == "delete" and name:
        session.forget(name)
        after = None
    session.log(
        Wrote, action=action, memory_id=name if action in ("add", "update", "delete") else None,
        before=before if action in ("update", "delete") else None, after=after, reason=entry.reason,
    )  # fmt: skip


def _recall(session: _Session, searches: list[Entry]) -> None:
    """Searches that were made while something was read."""
    for search in searches:
        session.log(Recalled, query=search.query, hits=_hits(session, search.hits))
    searches.clear()


def _hits(session: _Session, found: Iterable[Found]) -> tuple[Hit, ...]:
    return tuple(
        Hit(
            memory=Memory(id=one.id, text=one.text or session.bank.get(one.id, "")),
            score=one.score,
        )
        for one in found
    )


def _answered(session: _Session, entry: Entry) -> Episode:
    """The episode that ends with this answer. The searches right before it are what it was answered from."""
    session.answers += 1
    events: list[Event] = list(session.events)
    for search in session.searches:
        own = search.query if search.query != entry.question else None
        events.append(
            Recalled(
                seq=len(events),
                at=None,
                turn=0,
                query=entry.question,
                searched=own,
                hits=_hits(session, search.hits),
            )  # fmt: skip
        )
    session.searches.clear()
    events.append(Asked(seq=len(events), at=None, turn=0, role="answer", index=0))
    return _episode(session, entry, events)


def _episode(session: _Session, entry: Entry | None, events: Sequence[Event]) -> Episode:
    name = f"{session.name}\0{session.answers}"
    short = hashlib.sha256(name.encode()).hexdigest()[:12]
    question, answer = (entry.question, entry.answer) if entry else ("", "")
    example = Example(
        id=f"{session.name or 'log'}-{session.answers}", observations=tuple(session.observations),
        question=question, answers=entry.right if entry else (), text_id=f"log-{session.name}",
        evidence=_needed(session, entry) if entry else (),
    )  # fmt: skip
    asked = ({"role": "user", "content": question},)
    turn = Turn(role="answer", messages=asked, completion=Completion(text=answer), trainable=False)
    return Episode(  # a group of its own: other questions of the session are no attempts at this one
        id=short, group_id=short, example=example, turns=(turn,) if entry else (), events=tuple(events), answer=answer
    )  # fmt: skip


def _needed(session: _Session, entry: Entry) -> tuple[Evidence, ...]:
    """What the answer needs, each with the place where it was told last."""
    texts = entry.needed or _guess_needed(session, entry)
    places = [(text, _told(session, text)) for text in texts]
    return tuple(
        Evidence(text=text, observation=at, also=_other_words(session, entry, text, at))
        for text, at in places
    )


def _other_words(session: _Session, entry: Entry, fact: str, at: int | None) -> tuple[str, ...]:
    """What was written from the section that told a fact and says it in other words ("I am ..." as "Ann is ..."): it
    holds a right answer, and nothing that neither the section nor the question says."""
    if at is None:
        return ()
    known = telling(session.observations[at]) | telling(entry.question)
    rights = [line for right in entry.right if (line := words_line(right))]
    written = (
        sentence
        for event in session.events
        if isinstance(event, Wrote) and event.at == at and event.action in ("add", "update")
        for sentence in split_sentences(event.after or "")
    )
    return tuple(
        dict.fromkeys(
            sentence
            for sentence in written
            if words_line(fact) not in (line := words_line(sentence))
            and any(right in line for right in rights)
            and telling(sentence) <= known
        )
    )


def _told(session: _Session, text: str) -> int | None:
    line, places = words_line(text), range(len(session.lines) - 1, -1, -1)
    return next((at for at in places if line and line in session.lines[at]), None)


def _guess_needed(session: _Session, entry: Entry) -> tuple[str, ...]:
    asked = telling(entry.question)
    best: tuple[int, str] | None = None
    rights = [line for right in entry.right if (line := words_line(right))]
    for told, line in zip(session.observations, session.lines, strict=True):
        if not any(right in line for right in rights):
            continue
        for sentence in split_sentences(told):
            if any(right in words_line(sentence) for right in rights):
                shared = len(asked & telling(sentence))
                if best is None or shared >= best[0]:  # of equals the one told last
                    best = (shared, sentence)
    return (best[1],) if best else ()
