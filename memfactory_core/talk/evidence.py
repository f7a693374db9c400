"""What a question of a talk needs of what was told, where both are in a language that a program reads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from memfactory_core.tasks.sentences import split_sentences
from memfactory_core.tasks.spoken import read_fact, read_question, read_retraction
from memfactory_core.types import Evidence, Question

Key = tuple[str, str]
"""Who or what a fact is about, and which of its properties it states."""


def question_of(text: str, told: Sequence[str]) -> Question:
    """The question with the last sentence that states the fact it asks for as its evidence; none where the fact was
    taken back, or nobody can tell."""
    asked, found = read_question(text), None
    for index, section in enumerate(told) if asked else ():
        for sentence, stated, taken_back in _read(section):
            if stated == asked:
                found = Evidence(text=sentence, observation=index)
            elif taken_back == asked:
                found = None
    return Question(question=text, answers=(), evidence=(found,) if found else ())


@lru_cache(maxsize=8192)
def _read(section: str) -> tuple[tuple[str, Key | None, Key | None], ...]:
    """Each sentence that says something about a fact, with the key of what it states and of what it takes back; kept,
    for each save of a talk asks anew what its questions need."""
    found = []
    for sentence in split_sentences(section):
        fact, taken_back = read_fact(sentence), read_retraction(sentence)
        if fact or taken_back:
            found.append((sentence, fact.key if fact else None, taken_back))
    return tuple(found)
