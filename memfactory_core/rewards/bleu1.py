"""BLEU-1, which Memory-R1 (arXiv 2508.19828) reports."""

from __future__ import annotations

from statistics import fmean

from memfactory_core.rewards import Reward, answered, answers
from memfactory_core.trace import Episode


class Bleu1(Reward, kind="bleu1"):
    """Share of the answer's words that are in the gold answer, short answers held back. Mean over the questions."""

    title = "BLEU-1"
    about = "answers"
    low, high = 0.0, 1.0
    short = False
    order = 30

    def measure(self, episode: Episode) -> float:
        """The best over the gold answers, mean over the questions."""
        return fmean(
            [answers.bleu1(answer, question.answers) for answer, question in answered(episode)]
        )
