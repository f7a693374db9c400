"""Whether what is needed was ever written down."""

from __future__ import annotations

from statistics import fmean

from memfactory_core.rewards import Reward
from memfactory_core.rewards.needed import holdings_of
from memfactory_core.trace import Episode


class Stored(Reward, kind="stored"):
    """Share of the needed facts that were in memory at some moment."""

    title = "Stored at some time"
    about = "memory"
    low, high = 0.0, 1.0
    needs = "the task says which facts are needed"
    headline = True
    order = 10

    def measure(self, episode: Episode) -> float | None:
        """The memory is looked at after each write."""
        held = holdings_of(episode).values()
        return fmean([holding.stored for holding in held]) if held else None
