"""What a question of a talk needs, and that what was told is read once for all questions and saves."""

import pytest

from memfactory_core.talk import evidence
from memfactory_core.talk.evidence import question_of
from tests.talk.talks import ASKED, CHANGE, FACT, GONE, say, scripted

OTHER = "The pet of Tavi is Rilo."


@pytest.mark.parametrize(
    ("told", "needed"),
    [
        ([], []),
        ([FACT], [(FACT, 0)]),
        ([FACT, CHANGE], [(CHANGE, 1)]),
        ([FACT, GONE], []),
        ([FACT, f"{GONE} {CHANGE}"], [(CHANGE, 1)]),
        ([FACT, OTHER, "Hello there."], [(FACT, 0)]),
        ([FACT, FACT], [(FACT, 1)]),
    ],
)
def test_a_question_needs_the_last_sentence_that_states_its_fact(told, needed):
    for _ in range(2):  # once more from what is known of the sections
        found = question_of(ASKED, told).evidence
        assert [(item.text, item.observation) for item in found] == needed


def test_what_was_told_is_read_once(monkeypatch):
    read, split = [], evidence.split_sentences
    monkeypatch.setattr(evidence, "split_sentences", lambda text: read.append(text) or split(text))
    talk = scripted("memory-r1-tiny")
    told = [f"The pet of Bako{n} is Zimo." for n in range(3)]
    for section in told:
        say(talk, section, ASKED)
        talk.episode()
    assert read == told
