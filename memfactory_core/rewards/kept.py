"""Whether what is needed is still there at the end."""

from __future__ import annotations

from statistics import fmean

from memfactory_core.rewards import Reward
from memfactory_core.rewards.needed import holdings_of
from memfactory_core.trace import Episode


class Kept(Reward, kind="kept"):
    """Share of the needed facts that are in memory when the question is answered."""

    title = "Kept to the end"
    about = "memory"
    low, high = 0.0, 1.0
    needs = "the task says which facts are needed"
    headline = True
    order = 20

    def measure(self, episode: Episode) -> float | None:
        """The memory is that after the last write."""
        held = holdings_of(episode).values()
        return fmean([holding.kept for holding in held]) if held else None
