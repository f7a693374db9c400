"""The task `dialogue`: conversations in which what is right to do with each message is known."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from memfactory_core.episode import run_episodes
from memfactory_core.paradigms.memory_r1 import MemoryR1
from memfactory_core.policies.scripted import Scripted
from memfactory_core.rewards import score
from memfactory_core.stores.ram import Ram
from memfactory_core.tasks.dialogue import UNKNOWN, Dialogue


@pytest.mark.parametrize(
    "sizes",
    [
        {"new": 4, "changes": 2, "retractions": 1, "chatter": 2, "alive": 3},
        {"new": 5, "changes": 1, "retractions": 3, "alive": 2},
        {"new": 3, "changes": 0, "retractions": 3, "chatter": 0, "alive": 1},
        {"new": 60, "changes": 5, "retractions": 30, "alive": 30},
    ],
)
def test_no_more_facts_are_true_at_one_time_than_asked_for(sizes):
    task = Dialogue(**sizes)
    highest = 0
    for example in task.examples(50, 0):
        actions = example.meta["actions"]
        assert len(actions) == len(example.observations)
        counts = [actions.count(name) for name in ("add", "update", "delete", "noop")]
        assert counts == [task.new, task.changes, task.retractions, task.chatter]
        alive = 0
        for action in actions:
            alive += (action == "add") - (action == "delete")
            highest = max(highest, alive)
    assert highest == task.alive


def test_a_bound_below_what_is_true_at_the_end_is_refused():
    with pytest.raises(ValidationError, match="3 facts are true at the end, more than alive=2"):
        Dialogue(new=4, retractions=1, alive=2)


def test_every_fact_that_was_ever_told_is_asked_for():
    for example in Dialogue().examples(50, 0, "heldout"):
        answers = [question.answers[0] for question in example.questions]
        assert len(answers) == 3 and answers.count(UNKNOWN) == 1
        told = " ".join(example.observations)
        for question in example.questions:
            for evidence in question.evidence:
                assert evidence.text in example.observations[evidence.observation]
            assert question.answers[0] == UNKNOWN or question.answers[-1] in told


@pytest.mark.parametrize(
    ("strategy", "right"),
    [
        ("clairvoyant", {"add": 1.0, "update": 1.0, "delete": 1.0, "noop": 1.0}),
        ("nothing", {"add": 0.0, "update": 0.0, "delete": 0.0, "noop": 1.0}),
        ("everything", {"add": 1.0, "update": 0.0, "delete": 0.0, "noop": 0.0}),
    ],
)
def test_each_kind_of_operation_is_scored_by_itself(strategy, right):
    sampler = Scripted(strategy=strategy).load()
    (example,) = Dialogue(new=4, changes=2, retractions=1, chatter=2).examples(1, 0)
    (episode,) = run_episodes(MemoryR1(store=Ram(capacity=99)), sampler, [example])
    scores = score(episode, {"exact_match": 1.0}).scores
    assert {name: scores[f"right_{name}"] for name in right} == right
    parts = [right[action] for action in example.meta["actions"]]
    assert scores["operations"] == pytest.approx(sum(parts) / len(parts))
