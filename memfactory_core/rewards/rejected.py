"""Decisions that could not be carried out."""

from __future__ import annotations

from memfactory_core.rewards import Reward
from memfactory_core.trace import Episode, Wrote


class Rejected(Reward, kind="rejected"):
    """Share of the policy's memory decisions that were malformed, too long or impossible."""

    title = "Writes rejected"
    about = "form"
    low = 0.0
    order = 10

    def measure(self, episode: Episode) -> float:
        """0 where the policy decided nothing."""
        refused = sum(isinstance(e, Wrote) and e.action == "reject" for e in episode.events)
        decisions = sum(turn.role != "answer" for turn in episode.turns)
        return refused / decisions if decisions else 0.0

    @classmethod
    def is_share(cls) -> bool:
        """In percent, although one decision may bring several writes that are refused."""
        return True
