"""Whether the policy left its memory alone where it held what was needed."""

from __future__ import annotations

from statistics import fmean

from memfactory_core.rewards import Reward
from memfactory_core.rewards.needed import decided_looks
from memfactory_core.trace import Episode


class MissedLook(Reward, kind="missed_look"):
    """Share of the questions for which the policy did not search although memory held a fact that they need."""

    title = "Did not look"
    about = "cost"
    low, high = 0.0, 1.0
    needs = "the policy decides whether to look (retriever `search`) and the task says which facts are needed"
    short = False
    order = 61

    def measure(self, episode: Episode) -> float | None:
        """Mean over the questions for which it could decide."""
        looks = decided_looks(episode)
        return fmean([held and not looked for looked, held in looks]) if looks else None
