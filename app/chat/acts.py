"""What can be done on the chat's page: each act plays in one talk and gives back what the page shows of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from app.chat.talks import LiveTalk, talks
from app.chat.transcript import render_bank, render_talk, show_problem
from memfactory_core.errors import ConfigError, MemFactoryError
from memfactory_core.talk import hand
from memfactory_core.talk.bank_file import read_lines, write_lines
from memfactory_core.talk.document import read_document
from memfactory_core.talk.driving import Stopped
from memfactory_core.talk.entry import Entry
from memfactory_core.talk.message import How
from memfactory_core.talk.talk import Talk

View = tuple[str, str, str]
"""The talk, the bank and a note, as HTML."""
SHOW_EVERY = 0.1
"""Seconds between two views of an agent at work."""
LOADING = '<p class="mf mf-muted" role="status">The agent is being loaded …</p>'
HOW: dict[str, How] = {"By question mark": "auto", "Remember": "remember", "Ask": "ask"}
"""How a message is taken: what ends with a question mark is asked and what stands before it told; or all is one."""
Say = Callable[[Talk, Stopped], Iterator[Entry]]


def view(live: LiveTalk | None, problem: str = "", working: bool = False) -> View:
    """What the page shows of a talk."""
    shown = show_problem(problem) if problem else ""
    return render_talk(live, working), render_bank(live), shown


def require(talk_id: str) -> LiveTalk:
    """The talk of the page. ConfigError where there is none."""
    live = talks.find(talk_id)
    if live is None:
        raise ConfigError("this talk is gone: begin a new one")
    return live


def send(talk_id: str, text: str, how: str) -> Iterator[View]:
    """One message, and what comes of it, step by step; an empty one, as of a second click, is none."""
    message = (text or "").strip()
    if not message:
        yield view(talks.find(talk_id))
        return
    yield from _play(
        talk_id, lambda talk, stopped: talk.say(message, HOW.get(how, "auto"), stopped), message
    )


def read_file(talk_id: str, path: str | None) -> Iterator[View]:
    """A document, read section by section."""
    try:
        file = Path(path or "")
        content = read_document(file.name, file.read_bytes())
    except (MemFactoryError, OSError) as error:
        yield view(talks.find(talk_id), str(error))
        return
    yield from _play(talk_id, lambda talk, stopped: talk.read_document(file.name, content, stopped))


def end_session(talk_id: str) -> Iterator[View]:
    """The messages that wait are read as one session."""
    yield from _play(talk_id, lambda talk, stopped: talk.end_session(stopped))


def _play(talk_id: str, say: Say, message: str = "") -> Iterator[View]:
    """An act of the agent, and of the untrained one where both answer; the `message` is seen while it is loaded.
    Whatever goes wrong, the page says it."""
    live: LiveTalk | None = None
    try:
        live = require(talk_id)
        if live.sleeps:
            yield render_talk(live, message=message), render_bank(live), LOADING
        with live.acting():
            mine: list[Entry] = []
            theirs: list[Entry] = []
            shown = 0.0
            for talk, entries in ((live.talk, mine), (live.other, theirs)):
                if talk is None:
                    continue
                for entry in say(talk, live.stop.is_set):
                    if not entries and entries is mine:
                        live.note(mine, theirs)
                    if not entries or entries[-1] is not entry:
                        entries.append(entry)
                    if time.monotonic() - shown >= SHOW_EVERY:
                        yield view(live, working=True)
                        shown = time.monotonic()
        yield view(live)
    except MemFactoryError as error:
        yield view(live, str(error))
    except Exception as error:  # whatever a model or a part does, the chat stays usable
        logging.exception("the chat failed")
        yield view(
            live, f"The chat failed ({type(error).__name__}); the server's log has the details."
        )


def request_stop(talk_id: str) -> None:
    """Asks the agent of this talk to stop before its policy's next turn, or in the midst of an answer."""
    live = talks.find(talk_id)
    if live:
        live.stop.set()


def change(talk_id: str, act: Callable[[Talk], Entry], on_copy: bool = False) -> View:
    """A change by hand; `on_copy` makes it in the untrained agent's copy of the bank too."""
    live: LiveTalk | None = None
    try:
        live = require(talk_id)
        with live.acting(by_hand=True):
            entry = act(live.talk)
            live.note([entry], [act(live.other)] if on_copy and live.other else [])
        return view(live)
    except MemFactoryError as error:
        return view(live, str(error))


def press(talk_id: str, act: str, memory_id: str) -> View:
    """A button of one memory: delete, pin or unpin."""
    acts: dict[str, Callable[[Talk], Entry]] = {
        "delete": lambda talk: hand.delete(talk, memory_id),
        "pin": lambda talk: hand.pin(talk, memory_id),
        "unpin": lambda talk: hand.pin(talk, memory_id, False),
    }
    if act not in acts:
        return view(talks.find(talk_id))
    return change(talk_id, acts[act])


def bring_file(talk_id: str, content: bytes | None) -> View:
    """The memories of a jsonl file into the bank."""
    try:
        memories = read_lines(content or b"")
    except MemFactoryError as error:
        return view(talks.find(talk_id), str(error))
    return change(talk_id, lambda talk: hand.bring(talk, memories), on_copy=True)


def export_lines(talk_id: str) -> str:
    """The bank as jsonl."""
    live = talks.find(talk_id)
    return write_lines(live.talk.memories) if live else ""


def memory_text(talk_id: str, memory_id: str) -> str:
    """The text of one memory, "" where it is gone."""
    live = talks.find(talk_id)
    found = live.talk.context.bank.get(memory_id) if live else None
    return found.text if found else ""
