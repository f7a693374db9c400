"""How often a password may be tried: a few wrong ones, then a wait, for each address on its own."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

ALLOWED = 5
"""Wrong passwords of one address before it has to wait."""
WAIT = 60.0
"""Seconds without an attempt that is looked at."""
KEPT = 10_000
"""Addresses that are remembered; beyond them the oldest is forgotten."""


class Attempts:
    """Counts wrong passwords by address; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: OrderedDict[str, list[float]] = OrderedDict()

    def wait(self, address: str) -> int:
        """Whole seconds until this address may try again; 0 where it may now."""
        recent = self._recent(address)
        return (
            0 if len(recent) < ALLOWED else max(1, round(recent[-ALLOWED] + WAIT - self._clock()))
        )

    def fail(self, address: str) -> None:
        """Counts one wrong password."""
        self._failed[address] = [*self._recent(address), self._clock()]
        self._failed.move_to_end(address)
        if len(self._failed) > KEPT:
            self._failed.popitem(last=False)

    def succeed(self, address: str) -> None:
        """Forgets what was wrong before."""
        self._failed.pop(address, None)

    def _recent(self, address: str) -> list[float]:
        since = self._clock() - WAIT
        return [moment for moment in self._failed.get(address, []) if moment > since]
