"""What a question of a talk needs of what was told, where both are in a language that a program reads."""

from __future__ import annotations

from collections.abc import Sequence

from memfactory_core.tasks.sentences import split_sentences
from memfactory_core.tasks.spoken import read_fact, read_question, read_retraction
from memfactory_core.types import Evidence, Question


def question_of(text: str, told: Sequence[str]) -> Question:
    """The question with the last sentence that states the fact it asks for as its evidence; none where the fact was
    taken back, or nobody can tell."""
    asked, found = read_question(text), None
    for index, section in enumerate(told) if asked else ():
        for sentence in split_sentences(section):
            fact = read_fact(sentence)
            if fact and fact.key == asked:
                found = Evidence(text=sentence, observation=index)
            elif read_retraction(sentence) == asked:
                found = None
    return Question(question=text, answers=(), evidence=(found,) if found else ())
