"""The synthetic tasks in English: every sentence can be read back, and the held-out side is unseen."""

from __future__ import annotations

import pytest

from memfactory_core.episode import run_episodes
from memfactory_core.explain.statements import untold
from memfactory_core.paradigms.memagent import MemAgent
from memfactory_core.paradigms.memory_r1 import MemoryR1
from memfactory_core.policies.scripted import Scripted
from memfactory_core.rewards import score
from memfactory_core.stores.buffer import Buffer
from memfactory_core.tasks.dialogue import Dialogue
from memfactory_core.tasks.english import ATTRIBUTES, NAMES, values_of
from memfactory_core.tasks.needle import Needle
from memfactory_core.tasks.sentences import split_sentences
from memfactory_core.tasks.spoken import is_made_up, read_fact, read_question, read_retraction
from memfactory_core.trace import holds, told_in

TASK = Needle(chunks=2, facts_per_chunk=3, language="english", chatter=0.5)


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_every_sentence_and_question_is_read_back(split):
    for example in TASK.examples(200, 0, split):
        read = [
            fact
            for told in example.observations
            for s in split_sentences(told)
            if (fact := read_fact(s))
        ]
        assert len(read) == 6 and len({fact.key for fact in read}) == 6
        assert all(is_made_up(s) for told in example.observations for s in split_sentences(told))
        asked = next(fact for fact in read if fact.key == read_question(example.question))
        assert asked.value == example.answers[0]
        assert asked.sentence in example.answers and asked.sentence == example.evidence[0].text


def test_names_values_and_wordings_of_the_held_out_side_are_never_trained_on():
    told = {}
    for split in ("train", "heldout"):
        facts = [
            read_fact(s)
            for example in TASK.examples(400, 0, split)
            for text in example.observations
            for s in split_sentences(text)
        ]
        told[split] = [fact for fact in facts if fact]
    for about in (
        lambda fact: fact.entity,
        lambda fact: (fact.attribute, fact.value),
        lambda fact: (fact.attribute, fact.stated),
    ):
        assert not {about(f) for f in told["train"]} & {about(f) for f in told["heldout"]}


def test_known_wordings_can_be_asked_for_with_held_out_names():
    task = TASK.model_copy(update={"wording": "known"})
    for example in task.examples(100, 0, "heldout"):
        fact = read_fact(example.evidence[0].text)
        assert fact.stated < len(ATTRIBUTES[fact.attribute].statements) - 1
        assert fact.value in values_of(fact.attribute, "heldout")


def test_the_lists_hold_nothing_twice():
    assert len(set(NAMES)) == len(NAMES)
    for about in ATTRIBUTES.values():
        assert len(set(about.values)) == len(about.values) >= 20
        wordings = [*about.statements, *about.questions, *about.retractions]
        assert len(set(wordings)) == len(wordings)


def test_a_long_document_has_names_enough():
    (example,) = TASK.model_copy(update={"chunks": 128}).examples(1, 0, "heldout")
    keys = [
        fact.key for t in example.observations for s in split_sentences(t) if (fact := read_fact(s))
    ]
    assert len(keys) == len(set(keys)) == 384


def test_a_memory_in_another_wording_holds_the_fact():
    (example,) = Needle(chunks=1, facts_per_chunk=1, language="english").examples(1, 0)
    (evidence,) = example.evidence
    assert evidence.also and all(holds(f"He said: {said}", evidence) for said in evidence.also)
    assert told_in(example.observations, evidence.text) == 0
    fact = read_fact(evidence.text)
    assert untold(evidence.also[0], example.observations, example.question) == ()
    other = next(v for v in values_of(fact.attribute, "train") if v != fact.value)
    wrong = fact.with_value(other).sentence
    assert untold(wrong, example.observations, example.question) == (wrong,)


@pytest.mark.parametrize(("strategy", "right"), [("clairvoyant", 1.0), ("nothing", 0.0)])
def test_scripted_policies_read_and_write_english(strategy, right):
    paradigm = MemAgent(store=Buffer(budget=90))
    played = run_episodes(paradigm, Scripted(strategy=strategy).load(), TASK.examples(20, 3))
    assert all(score(e, {}).scores["exact_match"] == right for e in played)


def test_an_english_dialogue_is_kept_true_by_right_operations():
    task = Dialogue(language="english", new=4, changes=2, retractions=1)
    examples = task.examples(20, 0, "heldout")
    taken = [read_retraction(told) for e in examples for told in e.observations]
    assert sum(key is not None for key in taken) == 20
    paradigm = MemoryR1(
        retriever={"kind": "everything"},
        updater={"kind": "crud", "related": {"kind": "everything"}},
    )
    for episode in run_episodes(paradigm, Scripted(strategy="overlap").load(), examples):
        scores = score(episode, {}).scores
        assert scores["exact_match"] == 1.0 and scores["kept"] == 1.0
