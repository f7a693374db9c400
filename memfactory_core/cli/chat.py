"""`memfactory chat`: a talk in the terminal, with the words of the browser's chat."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from memfactory_core import config
from memfactory_core.cli.foreground import open_database
from memfactory_core.config import RunConfig
from memfactory_core.errors import ConfigError, MemFactoryError
from memfactory_core.runs import agents, chats
from memfactory_core.runs.place import root
from memfactory_core.talk import hand
from memfactory_core.talk.bank_file import read_lines, write_lines
from memfactory_core.talk.banks import open_bank
from memfactory_core.talk.document import read_document
from memfactory_core.talk.entry import Entries, Entry
from memfactory_core.talk.offers import offers
from memfactory_core.talk.talk import Talk
from memfactory_core.text import one_line
from memfactory_core.trace import Wrote

HELP = """A message that ends with ? is asked, any other is told. Or:
  /remember TEXT   tell it, whatever it ends with      /ask TEXT   ask it
  /read FILE       read a document (txt, md, pdf)      /end        end the session (RMM reads it then)
  /bank            show the bank                       /undo       take the last write back
  /edit ID TEXT    write a memory anew                 /delete ID  remove a memory
  /pin ID          keep it as it is                    /unpin ID   let go of it
  /wipe            remove all that is not pinned       /examples   sentences that this agent knows
  /export FILE     the bank as jsonl                   /import FILE
  /help            this                                /quit
Ctrl-C stops the agent, and the talk goes on; where nothing is being done it ends the talk, as /quit does."""


def chat(
    agent: Annotated[str, typer.Argument(help="A run's id or a recipe's name.")],
    bank: Annotated[str, typer.Option(help="A bank that lasts under this name.")] = "",
    before: Annotated[bool, typer.Option(help="The agent as it was before its training.")] = False,
) -> None:
    """Talk with an agent: tell it something, ask it, see and change its bank. The talk is kept."""
    engine = open_database()
    source = "recipe" if agent in config.recipes() else "run"
    found = agents.find_agent(engine, f"{source}:{agent}", before)
    if found.config.mode not in agents.MODES:
        raise ConfigError(f"{found.label} (mode {found.config.mode!r}) has no policy to talk with")
    talk = Talk(
        found.label, found.id, found.config, found.config.load_policies(found.weights, found.start)
    )
    kept = open_bank(root(), bank) if bank else None
    try:
        if kept:
            talk.open_bank(kept.memories, kept.next_id, kept.name)
            talk.on_change = lambda talk: kept.write(talk.memories)
        _print(f"{found.label}. /help lists what can be done, /quit ends.")
        saved = begun = len(talk.entries)
        for line in _lines():
            try:
                if not _obey(talk, line):
                    break
            except MemFactoryError as error:
                _print(f"! {error}")
            except KeyboardInterrupt:
                _print("! Stopped.")
            if talk.context.events and len(talk.entries) > saved:
                chats.save(engine, talk.label, talk.episode())
                saved = len(talk.entries)
    finally:
        talk.close()
        if kept:
            kept.close()
    if saved > begun:
        _print(f"kept as talk {talk.id}")


def _lines() -> Iterator[str]:
    """What is typed, line by line, to its end."""
    while True:
        try:
            line = input("> ") if sys.stdin.isatty() else input()
        except (EOFError, KeyboardInterrupt):
            return
        if line.strip():
            yield line.strip()


def _obey(talk: Talk, line: str) -> bool:
    """Does what a line says; False where the talk is to end."""
    word, _, rest = line.partition(" ")
    rest = rest.strip()
    if word == "/quit":
        return False
    if not word.startswith("/"):
        _watch(talk.say(line), talk)
        return True
    act = _acts(talk).get(word)
    if act is None:
        raise ConfigError(f"there is no {word}; /help lists what there is")
    act(rest)
    return True


def _acts(talk: Talk) -> dict[str, Callable[[str], None]]:
    def edit(rest: str) -> None:
        memory_id, _, text = rest.partition(" ")
        _tell(hand.edit(talk, memory_id, text), talk)

    return {
        "/remember": lambda text: _watch(talk.say(text, "remember"), talk),
        "/ask": lambda text: _watch(talk.say(text, "ask"), talk),
        "/read": lambda name: _watch(talk.read_document(*_document(name)), talk),
        "/end": lambda _: _watch(talk.end_session(), talk),
        "/bank": lambda _: _show_bank(talk),
        "/undo": lambda _: _tell(hand.undo(talk), talk),
        "/edit": edit,
        "/delete": lambda memory_id: _tell(hand.delete(talk, memory_id), talk),
        "/pin": lambda memory_id: _tell(hand.pin(talk, memory_id), talk),
        "/unpin": lambda memory_id: _tell(hand.pin(talk, memory_id, False), talk),
        "/wipe": lambda _: _tell(hand.wipe(talk), talk),
        "/examples": lambda _: _show_examples(talk.config),
        "/export": lambda name: _export(talk, name),
        "/import": lambda name: _tell(hand.bring(talk, read_lines(_bytes(name))), talk),
        "/help": lambda _: print(HELP),
    }


def _watch(entries: Entries, talk: Talk) -> None:
    """Shows each entry once it is whole."""
    last: Entry | None = None
    try:
        for entry in entries:
            if last is not None and entry is not last:
                _tell(last, talk)
            last = entry
    except KeyboardInterrupt:
        # it came while an entry was shown: the agent, which waits, has not heard of it
        last = entries.throw(KeyboardInterrupt())
    if last is not None:
        _tell(last, talk)


def _tell(entry: Entry, talk: Talk) -> None:
    for event in talk.context.events[entry.first : entry.end]:
        if isinstance(event, Wrote):
            which = f" #{event.memory_id}" if event.memory_id else ""
            change = " -> ".join(text for text in (event.before, event.after) if text)
            reason = f" ({event.reason})" if event.reason else ""
            _print(f"  {event.action.upper()}{which} {change}{reason}")
    if entry.answer is not None:
        _print(entry.answer or "no answer")
    if entry.note:
        _print(f"! {entry.note}")


def _show_bank(talk: Talk) -> None:
    for memory in talk.memories:
        _print(f"  #{memory.id} {memory.text}{' (pinned)' if memory.pinned else ''}")
    if not talk.memories:
        _print("  the bank is empty")


def _show_examples(chosen: RunConfig) -> None:
    for offer in offers(chosen):
        _print(f"  {offer.label}: {offer.message}")


def _export(talk: Talk, name: str) -> None:
    try:
        with open(name, "x", encoding="utf-8") as file:
            file.write(write_lines(talk.memories))
    except OSError as error:
        raise ConfigError(f"cannot write {name}: {error.strerror}") from error
    _print(f"  {len(talk.memories):,} memories in {name}")


def _document(name: str) -> tuple[str, str]:
    path = Path(name)
    return path.name, read_document(path.name, _bytes(name))


def _bytes(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {name}: {error.strerror}") from error


def _print(text: str) -> None:
    print(one_line(text), flush=True)
