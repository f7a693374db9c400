"""Whether what is kept is also used."""

from __future__ import annotations

from statistics import fmean

from memfactory_core.rewards import Reward, answered, answers
from memfactory_core.rewards.needed import holdings_of
from memfactory_core.trace import Episode


class Read(Reward, kind="read"):
    """The answer is right, counted only where all needed facts were kept."""

    title = "Read when kept"
    about = "memory"
    low, high = 0.0, 1.0
    needs = "the task says which facts are needed and they were kept"
    order = 40

    def measure(self, episode: Episode) -> float | None:
        """Exact match, mean over the questions whose needed facts are all in the final memory."""
        held = holdings_of(episode)
        read = [
            answers.is_right(answer, question)
            for answer, question in answered(episode)
            if question.evidence and all(held[item].kept for item in question.evidence)
        ]
        return fmean(read) if read else None
