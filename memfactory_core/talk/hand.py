"""What the user changes in the bank by hand. Each change is an event like the agent's own, so that the trace gives the
bank at any moment; one that is refused is recorded with its reason."""

from __future__ import annotations

from collections.abc import Callable

from memfactory_core.errors import ConfigError
from memfactory_core.talk.entry import Entry
from memfactory_core.talk.talk import Talk
from memfactory_core.trace import Wrote, replay
from memfactory_core.types import Memory, Op


def edit(talk: Talk, memory_id: str, text: str) -> Entry:
    """Writes a memory anew; the words under which it was found go with the old text."""
    op = Op(action="update", memory_id=memory_id, text=text, reason="by hand")
    return _act(talk, f"Edit {memory_id}", lambda: talk.context.apply([op], "user"))


def delete(talk: Talk, memory_id: str) -> Entry:
    """Removes a memory."""
    op = Op(action="delete", memory_id=memory_id, reason="by hand")
    return _act(talk, f"Delete {memory_id}", lambda: talk.context.apply([op], "user"))


def pin(talk: Talk, memory_id: str, pinned: bool = True) -> Entry:
    """Keeps a memory from being changed or removed, by the agent and by hand; or lets go of it."""
    what = "Pin" if pinned else "Unpin"
    return _act(talk, f"{what} {memory_id}", lambda: talk.context.pin(memory_id, pinned))


def wipe(talk: Talk) -> Entry:
    """Removes every memory that is not pinned."""
    ops = [
        Op(action="delete", memory_id=memory.id, reason="wiped by hand")
        for memory in talk.memories
        if not memory.pinned
    ]
    return _act(talk, "Wipe", lambda: talk.context.apply(ops, "user"))


def bring(talk: Talk, memories: list[Memory]) -> Entry:
    """Adds memories from a file, each under a new id; those that were pinned are pinned."""

    def add() -> None:
        for memory in memories:
            op = Op(action="add", text=memory.text, key=memory.key, reason="imported")
            talk.context.apply([op], "user")
            event = talk.context.events[-1]
            if memory.pinned and isinstance(event, Wrote) and event.action == "add":
                talk.context.pin(event.memory_id or "", True)

    return _act(talk, f"Import {len(memories):,}", add)


def undo(talk: Talk) -> Entry:
    """Takes back the last write that changed the bank and was not taken back yet; again for the one before. ConfigError
    where there is none."""
    last = last_write(talk)
    if last is None or last.memory_id is None:
        raise ConfigError("this talk has no write to take back")
    before = replay(talk.context.events, last.seq).get(last.memory_id)
    reason = f"takes back what event {last.seq} wrote"
    context, memory_id = talk.context, last.memory_id

    def take_back() -> None:
        if last.action == "delete" and before:
            context.restore(before, reason, last.seq)
        elif before is None:
            op = Op(action="delete", memory_id=memory_id, reason=reason)
            context.apply([op], "user", last.seq)
        else:
            op = Op(
                action="update", memory_id=memory_id, text=before.text, key=before.key, reason=reason,
            )  # fmt: skip
            context.apply([op], "user", last.seq)

    return _act(talk, f"Undo {last.action} {memory_id}", take_back)


def last_write(talk: Talk) -> Wrote | None:
    """The write that an undo takes back."""
    begun = max((entry.end for entry in talk.entries if entry.kind == "bank"), default=0)
    writes = [
        event
        for event in talk.context.events[begun:]
        if isinstance(event, Wrote) and event.action in ("add", "update", "delete")
    ]
    undone = {event.undoes for event in writes if event.undoes is not None}
    left = [event for event in writes if event.undoes is None and event.seq not in undone]
    return left[-1] if left else None


def _act(talk: Talk, text: str, act: Callable[[], None]) -> Entry:
    """One change by hand as an entry of the talk; its note says what was refused."""
    entry = talk.begin("hand", text)
    talk.context.at = None
    act()
    refused = [
        event.reason
        for event in talk.context.events[entry.first :]
        if isinstance(event, Wrote) and event.action == "reject"
    ]
    entry.note = f"Refused: {refused[0]}" if refused else ""
    talk.finish(entry)
    return entry
