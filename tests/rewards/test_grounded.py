"""The measure `grounded`: whether what was written is stated by what was read."""

from __future__ import annotations

import pytest

from memfactory_core.rewards.grounded import Grounded
from memfactory_core.trace import Episode, Wrote
from memfactory_core.types import Example

SECTIONS = ("Lena lives in Paris. Mark has a dog.", "Mark's home is in Rome. It is 12 degrees.")
ASKED = "Where does Mark live?"


def grounded(*texts: str) -> float | None:
    events = [
        Wrote(seq=at, at=at, action="update" if at else "add", memory_id="1", after=text)
        for at, text in enumerate(texts)
    ]
    example = Example(id="e", observations=SECTIONS, question=ASKED, answers=("Rome",))
    return Grounded().measure(Episode(id="e", group_id="g", example=example, events=tuple(events)))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Lena lives in Paris.", 1.0),
        ("Mark has a dog.", 1.0),
        ("Mark lives in Paris.", 0.0),  # another person's value
        ("Mark lives in Madrid.", 0.0),  # a value that nobody told
        ("Mark has a cat.", 0.0),
        ("Lena lives in Paris. Mark lives in Madrid.", 0.5),
        ("Lena lives in 12.", 0.0),
        ("Where does Mark live?", 1.0),  # no more than the question
        ("...", None),
    ],
)
def test_a_sentence_is_stated_by_one_sentence_that_was_read(text, value):
    assert grounded(text) == value


def test_the_question_may_lend_its_words_but_no_name():
    assert grounded("Lena lives in Paris.", "Lena lives in Paris. Mark lives in Rome.") == 1.0
    assert grounded("Lena lives in Paris.", "Lena lives in Rome.") == 0.5


def test_what_the_old_memory_said_is_stated_even_where_it_was_invented():
    assert grounded("Mark lives in Madrid.", "Mark lives in Madrid.") == 0.5


def test_without_a_write_there_is_nothing_to_measure():
    assert grounded() is None
