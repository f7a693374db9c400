"""Answers beside their golds where all of several golds are asked for."""

import pytest

from memfactory_core.rewards import measure
from memfactory_core.rewards.answers import is_right
from memfactory_core.scoring.evaluate import summarize
from memfactory_core.trace import Episode
from memfactory_core.types import Example, Question

WORDS = ("aaxoo", "bbiru", "ccpel")


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("aaxoo, bbiru, ccpel", 1.0), ("ccpel bbiru aaxoo", 1.0), ("Aaxoo; CCPEL and bbiru.", 1.0),
        ("\\boxed{aaxoo, bbiru, and ccpel}", 1.0), ("aaxoo\nbbiru\nccpel", 1.0),
        ("aaxoo", 0.0), ("aaxoo, bbiru", 0.0), ("aaxoo, bbiru, ccpel, dd", 0.0), ("", 0.0),
        ("aaxoo, aaxoo, bbiru", 0.0), ("aaxoobbiruccpel", 0.0),
    ],
)  # fmt: skip
def test_a_list_of_golds_is_right_when_it_holds_them_all(answer, right):
    assert is_right(answer, Question(question="q", answers=("x",), all_of=WORDS)) == right


def test_one_of_three_words_is_not_right_in_any_score():
    example = Example(
        id="e", observations=("x",), question="q", answers=(", ".join(WORDS),),
        meta={"all_of": list(WORDS), "category": "fwe"},
    )  # fmt: skip
    scores = {}
    for answer in ("bbiru", "bbiru, ccpel, aaxoo"):
        episode = Episode(id="e", group_id="g", example=example, answer=answer)
        measured = measure(episode)
        assert (
            measured["exact_match"]
            == summarize([episode.model_copy(update={"scores": measured})])["exact_match"]["mean"]
        )
        scores[answer] = measured["exact_match"], round(measured["contained"], 2)
    assert scores == {"bbiru": (0.0, 0.33), "bbiru, ccpel, aaxoo": (1.0, 1.0)}


def test_questions_of_one_memory_keep_their_own_golds():
    example = Example(
        id="e", observations=("x",), question="q", answers=("a, b",), meta={"all_of": ["a", "b"]},
        others=(Question(question="r", answers=("c",)),),
    )  # fmt: skip
    first, second = example.single_questions
    assert first.questions == example.questions[:1] and second.questions == example.questions[1:]
