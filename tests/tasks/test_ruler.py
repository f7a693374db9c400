"""RULER's tests: seeded, complete, and asking for what is really there."""

from __future__ import annotations

import typing
from collections import Counter

import pytest

from memfactory_core.tasks.language import split_of
from memfactory_core.tasks.ruler import NOISE, Ruler
from memfactory_core.tasks.sentences import split_sentences
from memfactory_core.text import words
from tests.tasks.records import (
    check_evidence,
)

TESTS = typing.get_args(Ruler.model_fields["test"].annotation)


@pytest.mark.parametrize("test", TESTS)
def test_ruler_is_seeded_and_fills_its_sections(test):
    task = Ruler(test=test, sections=5, sentences=12, chains=2)
    examples = task.examples(6, seed=3)
    assert task.examples(6, seed=3) == examples != task.examples(6, seed=4)
    check_evidence(examples)
    for example in examples:
        assert len(example.observations) == 5
        assert example.answers == (", ".join(example.meta["all_of"]),)
        text = words(" ".join(example.observations))
        assert all(gold.lower() in text for gold in example.meta["all_of"])
    assert len({example.question for example in examples}) > 1 or test.endswith("words")


def test_ruler_needles_are_one_of_many_or_all_of_one():
    [multikey] = Ruler(test="niah_multikey", items=6).examples(1, 0)
    assert " ".join(multikey.observations).count("A secret number of") == 6
    assert len(multikey.evidence) == len(multikey.meta["all_of"]) == 1
    [multivalue] = Ruler(test="niah_multivalue", items=6).examples(1, 0)
    key = multivalue.question.split()[-1].strip("?")
    assert " ".join(multivalue.observations).count(f"A secret number of {key} is") == 6
    assert len(multivalue.evidence) == len(set(multivalue.meta["all_of"])) == 6


def test_ruler_variables_can_be_followed():
    for example in Ruler(test="variable_tracking", items=5, chains=3).examples(5, 0):
        value = {}
        for line in split_sentences(" ".join(example.observations)):
            if line.startswith("VAR"):
                name, source = line.removeprefix("VAR ").rstrip(".").split(" = ")
                value[name] = value.get(source.removeprefix("VAR "), source)
        wanted = example.question.rstrip("?").split()[-1]
        assert sorted(n for n, v in value.items() if v == wanted) == sorted(example.meta["all_of"])
        assert len(value) == 18


@pytest.mark.parametrize(("alpha", "sections"), [(2.0, 4), (1.1, 20), (3.5, 1)])
def test_ruler_asks_for_the_words_that_really_are_the_most_frequent(alpha, sections):
    for example in Ruler(test="frequent_words", alpha=alpha, sections=sections).examples(5, 0):
        ranked = Counter(" ".join(example.observations).split()).most_common(5)
        assert ranked[0][0] == "..."
        assert [word for word, _ in ranked[1:4]] == example.meta["all_of"]
        assert ranked[3][1] > (ranked[4][1] if len(ranked) > 4 else 0)


def test_ruler_common_words_stand_ten_times_as_often():
    [example] = Ruler(test="common_words", common=5).examples(1, 0)
    counts = Counter(
        word for word in " ".join(example.observations).split() if not word[0].isdigit()
    )
    assert {word for word, _ in counts.most_common(5)} == set(example.meta["all_of"])
    assert set(counts.values()) == {3, 30}


def test_ruler_keeps_the_held_out_names_apart():
    for split in ("train", "heldout"):
        for example in Ruler(test="niah_multikey").examples(10, 0, split):
            assert split_of(example.question.split()[-1].strip("?")) == split
    assert not any(sentence in " ".join(NOISE[:i]) for i, sentence in enumerate(NOISE))
