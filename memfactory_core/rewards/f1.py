"""SQuAD's token F1."""

from __future__ import annotations

from memfactory_core.rewards import AnswerReward, answers
from memfactory_core.types import Question


class F1(AnswerReward, kind="f1"):
    """Overlap of the answer's words with the gold answer's."""

    title = "F1"
    order = 20

    def measure_answer(self, answer: str, question: Question) -> float:
        """The best over the gold answers."""
        return answers.f1(answer, question.answers)
