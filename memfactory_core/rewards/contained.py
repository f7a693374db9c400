"""RULER's string match (arXiv 2404.06654), for questions with several right strings at once."""

from __future__ import annotations

from memfactory_core.rewards import Reward, answers
from memfactory_core.trace import Episode


class Contained(Reward, kind="contained"):
    """Share of the gold strings that the answer contains."""

    title = "Gold strings contained"
    about = "answers"
    low, high = 0.0, 1.0
    needs = "the task asks for several strings at once"
    short = False
    order = 40

    def measure(self, episode: Episode) -> float | None:
        """Of the first answer; the strings are the example's `meta["all_of"]`."""
        golds = episode.example.meta.get("all_of")
        return answers.contained(episode.answer, golds) if golds else None
