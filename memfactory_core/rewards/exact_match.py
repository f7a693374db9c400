"""SQuAD's exact match."""

from __future__ import annotations

from memfactory_core.rewards import AnswerReward, answers
from memfactory_core.types import Question


class ExactMatch(AnswerReward, kind="exact_match"):
    """The answer is one of the gold answers, or lists all where all are asked for."""

    title = "Exact match"
    headline = True
    order = 10

    def measure_answer(self, answer: str, question: Question) -> float:
        """The best over the gold answers; where all of several are asked for, their list in any order."""
        return answers.is_right(answer, question)
