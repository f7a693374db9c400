"""Indexes that stay with a bank between recalls and follow its writes: a recall compares the bank with what was seen
and takes in what is new. Scores are those of computing everything anew (`tests/retrievers/test_index.py`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import TypeVar

import numpy as np

from memfactory_core.stores import Change, Memories
from memfactory_core.types import Memory

Kind = TypeVar("Kind", bound="Index")
SPARE = 1000
"""Places of memories that are gone which are borne without building anew."""
THINNED = 16
"""Of so many places one is looked at to find how good the best are at least."""


class Index(ABC):
    """Each memory has a place, in the order in which they came; one that was changed gets a new place and keeps its
    order, for ties are read in the bank's order."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forgets all."""
        self.places: dict[str, int] = {}
        self.at_place: list[Memory] = []
        self.live = Column(bool)
        self.order = Column(np.int64)
        self.journal: Sequence[Change] | None = None
        self.read = 0
        """Changes of the journal that were taken in."""

    @abstractmethod
    def insert(self, first: int, texts: Sequence[str]) -> None:
        """Takes in texts at the places from `first` on."""

    @abstractmethod
    def remove(self, place: int, text: str) -> None:
        """Lets go of the text at a place, whose score is not read any more."""

    def follow(self, bank: Memories) -> None:
        """Takes in what has changed since the last time: from the bank's journal, or by comparing all memories where
        it keeps none, or has begun another."""
        journal = bank.journal
        if journal is None or journal is not self.journal:
            self._compare(bank.all())
        elif len(journal) > self.read:
            self._replay(journal[self.read :])
        self.journal, self.read = journal, len(journal or ())

    def _replay(self, changes: Sequence[Change]) -> None:
        """Takes in changes in their order, as a dictionary would."""
        new: dict[str, tuple[int | None, Memory]] = {}
        for memory_id, memory in changes:
            if memory is None:
                if new.pop(memory_id, None) is None:
                    self._drop(memory_id)
            else:
                order = new[memory_id][0] if memory_id in new else self._drop(memory_id)
                new[memory_id] = order, memory
        self._append([memory for _, memory in new.values()], [order for order, _ in new.values()])
        if len(self.at_place) > 2 * len(self.places) + SPARE:
            memories = self.in_bank_order()
            self.clear()
            self._append(memories, [None] * len(memories))

    def _compare(self, memories: list[Memory]) -> None:
        old = self.in_bank_order()
        start = _common(old, memories)
        end = _common(old[start:][::-1], memories[start:][::-1])
        gone, new = old[start : len(old) - end], memories[start : len(memories) - end]
        dead = len(self.at_place) - len(old) + len(gone)
        comes_between = len(new) != len(gone) and new and end
        if comes_between or dead > SPARE + len(memories):
            self.clear()
            gone, new = [], memories
        orders = [self._drop(memory.id) for memory in gone]
        self._append(new, orders if len(new) == len(gone) else [None] * len(new))

    def _drop(self, memory_id: str) -> int | None:
        """Lets go of a memory; its order, None where it is not known."""
        place = self.places.pop(memory_id, None)
        if place is None:
            return None
        self.live.values[place] = False
        self.remove(place, self.at_place[place].searched_text)
        return int(self.order.values[place])

    def _append(self, memories: list[Memory], orders: Sequence[int | None]) -> None:
        """Gives memories places; those without an order come last."""
        if not memories:
            return
        first = len(self.at_place)
        self.places |= {memory.id: first + number for number, memory in enumerate(memories)}
        self.at_place += memories
        self.live.extend(np.ones(len(memories), dtype=bool))
        # a place is higher than every order before it
        self.order.extend(
            np.array([first + n if order is None else order for n, order in enumerate(orders)])
        )
        self.insert(first, [memory.searched_text for memory in memories])

    def in_bank_order(self) -> list[Memory]:
        """The memories that it knows."""
        return [self.at_place[place] for place in self._places_in_order()]

    def in_order(self, scores: np.ndarray) -> np.ndarray:
        """Scores by place as scores by the memories' order in the bank."""
        return scores[self._places_in_order()]

    def _places_in_order(self) -> np.ndarray:
        living = np.flatnonzero(self.live.values)
        return living[np.argsort(self.order.values[living])]

    def best(self, scores: np.ndarray, count: int) -> np.ndarray:
        """The places of the `count` best scores above 0, ties in the bank's order."""
        some = scores[::THINNED][self.live.values[::THINNED]]
        # what some of the places reach `count` times is reached by all of them: few are left to be sorted
        least = np.partition(some, len(some) - count)[len(some) - count] if len(some) > count else 0
        reached = scores >= least if least > 0 else scores > 0
        found = np.flatnonzero(reached & self.live.values)
        return found[np.lexsort((self.order.values[found], -scores[found]))][:count]


class Column:
    """Numbers that grow at the end, one for each place."""

    def __init__(self, dtype: type, width: tuple[int, ...] = ()) -> None:
        self._room: np.ndarray = np.zeros((16, *width), dtype=dtype)
        self._size = 0

    @property
    def values(self) -> np.ndarray:
        """What it holds."""
        return self._room[: self._size]

    def extend(self, values: np.ndarray) -> None:
        """Adds numbers."""
        size = self._size + len(values)
        if size > len(self._room):
            room = np.zeros(
                (max(size, 2 * len(self._room)), *self._room.shape[1:]), self._room.dtype
            )
            room[: self._size] = self.values
            self._room = room
        self._room[self._size : size] = values
        self._size = size


def index_of(bank: Memories, name: Hashable, kind: type[Kind], *settings: object) -> Kind:
    """The index of this name that is kept with a bank, up to date with it."""
    if name not in bank.kept:
        bank.kept[name] = kind(*settings)
    index: Kind = bank.kept[name]
    index.follow(bank)
    return index


def _common(one: list[Memory], other: list[Memory]) -> int:
    """How many first memories two lists have in common. Halving, for lists of the same objects are compared fast."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
