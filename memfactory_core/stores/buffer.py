"""MemAgent's memory (arXiv 2507.02259): one text of bounded length, which each write replaces whole.

The bound counts characters, the one measure of length that a policy cannot bend by writing without spaces.
"""

from __future__ import annotations

from pydantic import Field

from memfactory_core.stores import Store
from memfactory_core.stores.ram import RamBank


class Buffer(Store, kind="buffer"):
    """One bounded text that is overwritten whole at each step (MemAgent)."""

    budget: int = Field(4000, ge=10, le=1_000_000)
    """How many characters the memory may have; a longer write is rejected and costs."""

    def open(self) -> RamBank:
        """A new, empty bank with room for one memory."""
        return RamBank(capacity=1, budget=self.budget)
