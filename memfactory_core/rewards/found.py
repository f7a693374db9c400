"""Whether what is needed was among what was read."""

from __future__ import annotations

from statistics import fmean

from memfactory_core.rewards import Reward
from memfactory_core.rewards.needed import holdings_of, last_recalls
from memfactory_core.trace import Episode


class Found(Reward, kind="found"):
    """Share of the needed facts among the memories that an answer was read from."""

    title = "Found when answering"
    about = "memory"
    low, high = 0.0, 1.0
    needs = "the task says which facts are needed and memories are retrieved"
    short = False
    order = 30

    def measure(self, episode: Episode) -> float | None:
        """Mean over the questions that were recalled for."""
        held = holdings_of(episode)
        found = [
            fmean(recall.seq in held[item].recalls for item in question.evidence)
            for question, recall in last_recalls(episode)
        ]
        return fmean(found) if found else None
