"""The size of the bank."""

from __future__ import annotations

from memfactory_core.rewards import Reward
from memfactory_core.trace import Episode, replay


class Memories(Reward, kind="memories"):
    """Memories in the bank when the question is answered."""

    title = "Memories at the end"
    about = "cost"
    low = 0.0
    short = False
    order = 10

    def measure(self, episode: Episode) -> float:
        """Counted after the last event."""
        return float(len(replay(episode.events)))
