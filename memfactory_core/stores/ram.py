"""A plain dictionary of memories with short ids (`1`, `2`, ...), which a policy can write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field

from memfactory_core.stores import Bank, Change, Refused, Store
from memfactory_core.trace import Wrote
from memfactory_core.types import Memory, Op

JOURNAL = 1000
"""Changes after which a journal that is longer than the bank begins anew."""


class RamBank(Bank):
    """Memories in a dict; ids count up and are never used twice."""

    def __init__(self, capacity: int, budget: int) -> None:
        self.capacity = capacity
        self.budget = budget
        self.memories = {}
        self.next_id = 1

    @property
    def memories(self) -> Mapping[str, Memory]:
        """Every memory by its id."""
        return self._memories

    @memories.setter
    def memories(self, memories: Mapping[str, Memory]) -> None:
        self._memories = dict(memories)
        # kept up to date, for adding up a large bank at each write costs more than the write
        self._characters = sum(len(memory.text) for memory in memories.values())
        self._journal: list[Change] = []

    @property
    def journal(self) -> Sequence[Change]:
        """What was changed since the last time that all was replaced; see `Memories.journal`."""
        return self._journal

    def _note_change(self, memory_id: str, memory: Memory | None) -> None:
        if len(self._journal) > max(JOURNAL, 2 * len(self._memories)):
            self._journal = []
        self._journal.append((memory_id, memory))

    def _put(self, memory: Memory) -> None:
        known = self._memories.get(memory.id)
        self._characters += len(memory.text) - (len(known.text) if known else 0)
        self._memories[memory.id] = memory
        self._note_change(memory.id, memory)

    def get(self, memory_id: str) -> Memory | None:
        """One memory, or None."""
        return self.memories.get(memory_id)

    def all(self) -> list[Memory]:
        """Every memory in the order of creation."""
        return list(self.memories.values())

    def apply(self, op: Op, seq: int, source: int | None) -> Wrote:
        """Carries out one operation; see `Bank.apply`."""
        text = (op.text or "").strip()
        known = self.memories.get(op.memory_id or "")
        if op.action in ("update", "delete") and known is None:
            raise Refused(f"there is no memory {op.memory_id!r} to {op.action}")
        if op.action in ("update", "delete") and known and known.pinned:
            raise Refused(f"memory {known.id} is pinned: it stays as it is")
        if op.action in ("add", "update"):
            self._check_text(text, replaced=known if op.action == "update" else None)
        if op.action == "add":
            self._check_room()
            known = Memory(
                id=str(self.next_id), text=text, created=seq, updated=seq, source=source, key=op.key
            )  # fmt: skip
            self.next_id += 1
            self._put(known)
            return self._event(op, seq, source, known.id, None, text)
        if op.action == "update" and known:
            update = {"text": text, "updated": seq, "source": source, "key": op.key}
            self._put(known.model_copy(update=update))
            return self._event(op, seq, source, known.id, known.text, text)
        if op.action == "delete" and known:
            self._characters -= len(self._memories.pop(known.id).text)
            self._note_change(known.id, None)
            return self._event(op, seq, source, known.id, known.text, None)
        return self._event(op, seq, source, op.memory_id, None, op.text)

    def restore(self, memory: Memory, seq: int, source: int | None) -> Wrote:
        """Brings a memory back under its own id; see `Bank.restore`."""
        if memory.id in self.memories:
            raise Refused(f"there is a memory {memory.id} already")
        self._check_text(memory.text, replaced=None)
        self._check_room()
        update = {"created": seq, "updated": seq, "source": source, "pinned": False}
        self._put(memory.model_copy(update=update))
        self.next_id = max(self.next_id, int(memory.id) + 1)
        op = Op(action="add", text=memory.text, key=memory.key)
        return self._event(op, seq, source, memory.id, None, memory.text)

    def hold(self, memories: Sequence[Memory], next_id: int) -> None:
        """Holds exactly these memories; see `Bank.hold`."""
        if len(memories) > self.capacity:
            raise Refused(f"{len(memories)} memories do not fit: it holds {self.capacity}")
        if (size := sum(len(memory.text) for memory in memories)) > self.budget:
            raise Refused(f"{size} characters do not fit: {self.budget} are allowed")
        self.memories = {memory.id: memory for memory in memories}
        used = (int(memory.id) + 1 for memory in memories if memory.id.isdecimal())
        self.next_id = max([self.next_id, next_id, *used])

    def pin(self, memory_id: str, pinned: bool) -> None:
        """Pins a memory or lets go of it; see `Bank.pin`."""
        known = self.memories.get(memory_id)
        if known is None:
            raise Refused(f"there is no memory {memory_id!r} to {'pin' if pinned else 'unpin'}")
        self._put(known.model_copy(update={"pinned": pinned}))

    def _check_room(self) -> None:
        if len(self.memories) >= self.capacity:
            raise Refused(f"the bank is full: it holds {self.capacity} memories")

    def _check_text(self, text: str, replaced: Memory | None) -> None:
        if not text:
            raise Refused("an empty text cannot be remembered")
        others = self._characters - (len(replaced.text) if replaced else 0)
        if others + len(text) > self.budget:
            raise Refused(
                f"over budget: {others + len(text)} characters, {self.budget} are allowed"
            )

    @staticmethod
    def _event(
        op: Op,
        seq: int,
        at: int | None,
        memory_id: str | None,
        before: str | None,
        after: str | None,
    ) -> Wrote:
        return Wrote(
            seq=seq, at=at, action=op.action, memory_id=memory_id, before=before, after=after,
            reason=op.reason, key=op.key if op.action in ("add", "update") else "",
        )  # fmt: skip


class Ram(Store, kind="ram"):
    """A bank of separate memories in this process: fast, gone when the episode ends."""

    capacity: int = Field(1000, ge=1, le=10_000_000)
    """How many memories it holds; adding one more is refused."""
    budget: int = Field(1_000_000, ge=1, le=10_000_000_000)
    """How many characters all memories may have together."""

    def open(self) -> RamBank:
        """A new, empty bank."""
        return RamBank(self.capacity, self.budget)
