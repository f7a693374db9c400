"""Stores keep memories. `Store` is the settings, `Bank` the live state; only `Context.apply` writes to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from functools import cached_property
from typing import Any, Protocol

from memfactory_core.component import Component
from memfactory_core.trace import Wrote
from memfactory_core.types import Hit, Memory, Op


class Refused(Exception):
    """A bank will not carry out an operation; the message is the reason shown in the trace."""


Change = tuple[str, Memory | None]
"""The id of a memory that was changed, and what it is now; None where it is gone."""


class Memories(Protocol):
    """What parts may do with a bank: read it."""

    @property
    def budget(self) -> int:
        """How many characters all memories may have together."""

    @property
    def kept(self) -> dict[Hashable, Any]:
        """What readers computed from the memories, by names of theirs; keeping it up to date is their affair."""

    @property
    def journal(self) -> Sequence[Change] | None:
        """Every change of a memory since some moment, in order; None where the bank keeps no journal. Another object
        where it has begun anew."""

    def get(self, memory_id: str) -> Memory | None:
        """One memory, or None."""

    def all(self) -> list[Memory]:
        """Every memory in the order of creation."""

    def search(self, by: str, query: Any, top_k: int) -> list[Hit] | None:
        """The best memories by an index of the bank's own, or None where it has none."""


class Bank(ABC):
    """The live memories of one episode or chat."""

    budget: int
    """How many characters all memories may have together."""
    next_id: int = 1
    """The id of the next new memory, where ids count up; 1 says that none was ever given."""

    @property
    def journal(self) -> Sequence[Change] | None:
        """What was changed; see `Memories.journal`."""
        return None

    @cached_property
    def kept(self) -> dict[Hashable, Any]:
        """What readers computed from the memories; see `Memories.kept`."""
        return {}

    @abstractmethod
    def get(self, memory_id: str) -> Memory | None:
        """One memory, or None."""

    @abstractmethod
    def all(self) -> list[Memory]:
        """Every memory in the order of creation."""

    @abstractmethod
    def apply(self, op: Op, seq: int, source: int | None) -> Wrote:
        """Carries out one operation and returns its event (`seq` and `at` set, `turn` left to the caller).
        Raises Refused, with nothing changed, where the operation cannot be carried out."""

    def restore(self, memory: Memory, seq: int, source: int | None) -> Wrote:
        """Brings a memory back under its own id, as an addition. Raises Refused, with nothing changed, where that
        cannot be done."""
        raise Refused("this bank takes no memory back")

    def hold(self, memories: Sequence[Memory], next_id: int) -> None:
        """Makes the bank hold exactly these memories; the next new one gets the id `next_id`, or a later one where the
        bank knows that this one was used. Raises Refused where that cannot be done."""
        raise Refused("this bank cannot be filled from outside")

    def pin(self, memory_id: str, pinned: bool) -> None:
        """Keeps a memory from being changed or removed, or lets go of it. Raises Refused where that cannot be done."""
        raise Refused("this bank cannot pin a memory")

    def search(self, by: str, query: Any, top_k: int) -> list[Hit] | None:
        """The best `top_k` memories by an index of the bank's own (`by` names it), with the scores of its
        parts; None where it has none, and the retriever then scores by itself."""
        return None

    def close(self) -> None:  # noqa: B027 - most banks hold nothing outside
        """Gives back what the bank holds outside this process's memory."""


class ReadOnly:
    """A bank without its writing half."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self.budget = bank.budget
        self.kept = bank.kept

    @property
    def journal(self) -> Sequence[Change] | None:
        """What was changed; see `Memories.journal`."""
        return self._bank.journal

    def get(self, memory_id: str) -> Memory | None:
        """One memory, or None."""
        return self._bank.get(memory_id)

    def all(self) -> list[Memory]:
        """Every memory in the order of creation."""
        return self._bank.all()

    def search(self, by: str, query: Any, top_k: int) -> list[Hit] | None:
        """The best memories by an index of the bank's own, or None where it has none."""
        return self._bank.search(by, query, top_k)


class Store(Component, ABC, family="stores"):
    """Where memories live."""

    @abstractmethod
    def open(self) -> Bank:
        """A new, empty bank."""
