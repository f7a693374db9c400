"""What was read in vain."""

from __future__ import annotations

from statistics import fmean

from memfactory_core.rewards import Reward
from memfactory_core.rewards.needed import last_recalls
from memfactory_core.trace import Episode


class Excess(Reward, kind="excess"):
    """Memories read beyond those needed, mean over questions."""

    title = "Memories read beyond need"
    about = "cost"
    low = 0.0
    needs = "the task says which facts are needed and memories are retrieved"
    short = False
    order = 20

    def measure(self, episode: Episode) -> float | None:
        """A needed fact allows one memory."""
        beyond = [
            max(0, len(recall.hits) - len(question.evidence))
            for question, recall in last_recalls(episode)
        ]
        return fmean(beyond) if beyond else None
