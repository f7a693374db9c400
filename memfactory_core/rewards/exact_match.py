"""SQuAD's exact match."""

from __future__ import annotations

from memfactory_core.rewards import AnswerReward, answers
from memfactory_core.types import Question


class ExactMatch(AnswerReward, kind="exact_match"):
    """The answer is one of the gold answers."""

    title = "Exact match"
    headline = True
    order = 10

    def measure_answer(self, answer: str, question: Question) -> float:
        """The best over the gold answers."""
        return answers.exact_match(answer, question.answers)
