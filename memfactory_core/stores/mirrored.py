"""A bank whose memories are also rows of a database that searches them. The memories themselves are objects in this
process, under the rules of the plain bank; the rows are brought up to date before a search, in one batch, for every
single write of a database is dear."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from memfactory_core.stores.ram import RamBank
from memfactory_core.trace import Wrote
from memfactory_core.types import Memory, Op, told_by_id


class MirroredBank(RamBank):
    """A bank that notes which memories its database does not know yet; ids are whole numbers."""

    def __init__(self, capacity: int, budget: int, is_kept: bool) -> None:
        super().__init__(capacity, budget)
        self.is_kept = is_kept
        """Whether the rows are opened again by a later process: then each write goes there at once."""
        self.changed: set[str] = set()

    @abstractmethod
    def flush(self) -> None:
        """Brings the rows up to date with the memories."""

    def apply(self, op: Op, seq: int, source: int | None) -> Wrote:
        """Carries out one operation; see `Bank.apply`."""
        event = super().apply(op, seq, source)
        if op.action != "noop" and event.memory_id:
            self._note(event.memory_id)
        return event

    def restore(self, memory: Memory, seq: int, source: int | None) -> Wrote:
        """Brings a memory back under its own id; see `Bank.restore`."""
        event = super().restore(memory, seq, source)
        self._note(memory.id)
        return event

    def pin(self, memory_id: str, pinned: bool) -> None:
        """Pins a memory or lets go of it; see `Bank.pin`."""
        super().pin(memory_id, pinned)
        self._note(memory_id)

    def hold(self, memories: Sequence[Memory], next_id: int) -> None:
        """Holds exactly these memories, written in one batch; see `Bank.hold`. A row whose memory says the same stays
        as it is: the numbers of events in it belong to the talk that wrote it."""
        before = told_by_id(self.memories.values())
        super().hold(memories, next_id)
        after = told_by_id(self.memories.values())
        self.changed |= {i for i in before.keys() | after.keys() if before.get(i) != after.get(i)}
        if self.is_kept:
            self.flush()

    def changes(self) -> tuple[list[Memory], list[str]]:
        """The memories to write and the ids to remove, by their numbers."""
        changed = sorted(self.changed, key=int)
        there = [self.memories[i] for i in changed if i in self.memories]
        return there, [i for i in changed if i not in self.memories]

    def _note(self, memory_id: str) -> None:
        self.changed.add(memory_id)
        if self.is_kept:
            self.flush()
