"""Whether what is kept is also used."""

from __future__ import annotations

from statistics import fmean

from memfactory_core.rewards import Reward, answered, answers
from memfactory_core.rewards.needed import final_text, share_held
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
        read = [
            answers.is_right(answer, question)
            for answer, question in answered(episode)
            if question.evidence and share_held(final_text(episode), question.evidence) == 1.0
        ]
        return fmean(read) if read else None
