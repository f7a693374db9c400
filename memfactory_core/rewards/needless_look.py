"""Whether the policy searched its memory for nothing."""

from __future__ import annotations

from statistics import fmean

from memfactory_core.rewards import Reward
from memfactory_core.rewards.needed import decided_looks
from memfactory_core.trace import Episode


class NeedlessLook(Reward, kind="needless_look"):
    """Share of the questions for which the policy searched although memory held nothing that they need."""

    title = "Looked for nothing"
    about = "cost"
    low, high = 0.0, 1.0
    needs = "the policy decides whether to look (retriever `search`) and the task says which facts are needed"
    short = False
    order = 60

    def measure(self, episode: Episode) -> float | None:
        """Mean over the questions for which it could decide."""
        looks = decided_looks(episode)
        return fmean([looked and not held for looked, held in looks]) if looks else None
