"""Memory decisions: what outputs are understood as, Memory-R1's canonical case, and tasks in which the decision
matters: the perfect strategy leads every other one by far."""

import pytest

from memfactory_core.config import load
from memfactory_core.dialects.quoted import Quoted
from memfactory_core.episode import Sampler, run_episodes
from memfactory_core.paradigms.memory_r1 import MemoryR1
from memfactory_core.rewards import score
from memfactory_core.scoring.evaluate import evaluate
from memfactory_core.trace import Wrote, replay
from memfactory_core.types import Completion, Evidence, Example, Memory

BANK = [
    Memory(id="3", text="The pet of Bako is Zimo."),
    Memory(id="5", text="The car of Gose is Nari."),
]


def parse_operation(text, related, merging=False):
    (op,) = Quoted().read_operations(text, related, merging=merging)
    return op


def parse_merge(text, related):
    return parse_operation(text, related, merging=True)


class Saying(Sampler):
    """A policy that says given things in order."""

    def __init__(self, *texts):
        self.texts = list(texts)

    def complete(self, asks, temperature):
        return [Completion(text=self.texts.pop(0)) for _ in asks]


@pytest.mark.parametrize(
    ("text", "action", "memory_id", "new"),
    [
        ("ADD The job of Rilo is Tamu.", "add", None, "The job of Rilo is Tamu."),
        (
            "UPDATE The pet of Bako is Zimo. #3 to The pet of Bako is Rilo.",
            "update",
            "3",
            "The pet of Bako is Rilo.",
        ),
        ("UPDATE #3 to The pet of Bako is Rilo.", "update", "3", "The pet of Bako is Rilo."),
        ("DELETE The car of Gose is Nari. #5", "delete", "5", None),
        (" NOOP ", "noop", None, "NOOP"),
    ],
)
def test_operations_are_understood(text, action, memory_id, new):
    op = parse_operation(text, BANK)
    assert (op.action, op.memory_id, op.text) == (action, memory_id, new)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("UPDATE The pet of Bako is Zimo. #5 to x", "the quote is not memory #5"),
        ("DELETE The pet of Bako is Zimo. #9", "no memory #9 was shown"),
        ("DELETE The pet of Bako is Zimo.", "not one of"), ("add x", "not one of"), ("", "not one of"),
        ("NOOP NOOP", "not one of"), ("ADD ", "not one of"),
    ],
)  # fmt: skip
def test_malformed_operations_are_rejected_with_the_reason(text, reason):
    op = parse_operation(text, BANK)
    assert op.action == "reject" and op.reason.startswith(reason)


def test_merge_is_an_update_and_has_no_other_words():
    op = parse_merge("MERGE The pet of Bako is Zimo. #3 to Bako's pets are Zimo and Rilo.", BANK)
    assert (op.action, op.memory_id, op.reason) == ("update", "3", "merged")
    assert parse_merge("ADD x", BANK).action == "add"
    for text in ("UPDATE #3 to x", "DELETE #3", "NOOP"):
        assert parse_merge(text, BANK).action == "reject"


def test_choices_are_quotes_with_ids():
    read = Quoted().read_choice
    assert read("The car of Gose is Nari. #5 The pet of Bako is Zimo. #3", BANK) == (BANK[::-1], "")
    assert read("#3 #3", BANK) == (BANK[:1], "")
    assert read("The car of Gose is Nari. #3", BANK)[1] == "the quote is not memory #3"
    assert read("#8", BANK) == ([], "no memory #8 was shown")
    assert read("none", BANK) == ([], "no memory was chosen")


def test_lines_are_facts():
    assert Quoted().read_facts("- A is b.\n\n* C is d.\nNONE.") == ["A is b.", "C is d."]


def pets(*said):
    example = Example(
        id="pets",
        observations=("Ann adopted a dog called Buddy.", "Ann adopted another dog called Scout."),
        question="Which dogs has Ann?",
        answers=("Buddy and Scout",),
        evidence=(Evidence(text="Buddy"), Evidence(text="Scout")),
    )
    (episode,) = run_episodes(MemoryR1(), Saying(*said), [example])
    return score(episode, {"exact_match": 1.0})


def test_the_canonical_failure_and_the_update_that_mends_it():
    """Memory-R1's own example: an untrained manager takes the second dog for a contradiction."""
    add = "ADD Ann adopted a dog called Buddy."
    wrong = pets(
        add, "UPDATE Ann adopted a dog called Buddy. #1 to Ann adopted a dog called Scout.", "Scout"
    )
    assert (wrong.scores["stored"], wrong.scores["kept"], wrong.reward) == (1.0, 0.5, 0.0)
    right = pets(
        add, "UPDATE Ann adopted a dog called Buddy. #1 to Ann adopted the dogs Buddy and Scout.",
        "Buddy and Scout",
    )  # fmt: skip
    assert (right.scores["kept"], right.reward) == (1.0, 1.0)
    (memory,) = replay(right.events).values()
    assert memory.id == "1"
    assert [e.action for e in right.events if isinstance(e, Wrote)] == ["add", "update"]


OTHERS = {
    "memory-r1-tiny": ("everything", "nothing", "first", "last", "random"),
    "rmm-tiny": ("everything", "nothing", "first", "last", "random"),
    "memagent-tiny": ("everything", "nothing", "first", "last", "random"),
}


@pytest.mark.parametrize("recipe", OTHERS)
def test_the_perfect_strategy_leads_every_other_by_thirty_points(recipe):
    def exact_match(strategy):
        config = load(recipe, ["mode=evaluate", "policy=scripted", f"policy.strategy={strategy}"])
        examples = config.held_out.examples(200, 7, "heldout")
        scores = evaluate(config.paradigm, config.policy.load(), examples, config.reward)
        return scores["greedy"]["exact_match"]["mean"]

    assert exact_match("clairvoyant") == 1.0
    assert max(exact_match(strategy) for strategy in OTHERS[recipe]) <= 0.70
