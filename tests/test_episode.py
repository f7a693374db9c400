"""The episode engine, the trace, and scripted strategies whose scores are known by hand."""

import pytest

from memfactory_core.config import load
from memfactory_core.episode import Sampler, run_episodes
from memfactory_core.rewards import measure, score
from memfactory_core.rewards.answers import bleu1, contained, exact_match, extract_answer, f1
from memfactory_core.scoring.evaluate import evaluate
from memfactory_core.scoring.intervals import interval
from memfactory_core.trace import Failed, Wrote, holds, replay
from memfactory_core.types import Completion, Evidence


def scripted(strategy, **settings):
    more = [f"task.{name}={value}" for name, value in settings.items()]
    return load(
        "memagent-tiny",
        ["mode=evaluate", "task.chunks=3", "policy=scripted", f"policy.strategy={strategy}", *more],
    )


def scores(strategy, count=300, **settings):
    config = scripted(strategy, **settings)
    examples = config.task.examples(count, 5, "heldout")
    return evaluate(config.paradigm, config.policy.load(), examples, config.reward)["greedy"]


# Three sections of three facts, room for two: "first" keeps two of the first section (1/3 x 2/3), "last" two of
# the last; "random" keeps a fact of section 1, 2, 3 with 2/3 x 2/5 x 2/5, 2/5 x 2/5, 2/5.
@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("everything", 0.0), ("nothing", 0.0), ("first", 2 / 9), ("last", 2 / 9),
        ("random", (2 / 3 * 4 / 25 + 4 / 25 + 2 / 5) / 3), ("overlap", 1.0), ("clairvoyant", 1.0),
    ],
)  # fmt: skip
def test_scripted_strategies_score_as_computed_by_hand(strategy, expected):
    result = scores(strategy)
    for name in ("exact_match", "kept"):
        mean = result[name]["mean"]
        assert mean == pytest.approx(expected, abs=0.075 if 0 < expected < 1 else 0)
    assert result["rejected"]["mean"] == (1.0 if strategy in ("everything", "nothing") else 0.0)


def test_writing_too_much_or_nothing_changes_nothing_and_costs():
    result = scores("everything", count=20)
    assert result["reward"]["mean"] == pytest.approx(-0.2)
    assert result["stored"]["mean"] == 0.0


def test_everything_scores_one_where_everything_fits():
    assert scores("everything", count=50, chunks=1, facts_per_chunk=2)["exact_match"]["mean"] == 1.0


def test_names_of_training_and_evaluation_are_disjoint():
    task = scripted("random").task
    train, held = (
        {word.strip(".") for e in task.examples(200, 3, split) for o in e.observations for word in o.split()}
        for split in ("train", "heldout")
    )  # fmt: skip
    names = {word for word in train & held if word[0].isupper()}
    assert names == {"The"}


def test_examples_are_seeded_and_evidence_is_in_its_section():
    task = scripted("random").task
    assert task.examples(5, 1) == task.examples(5, 1) != task.examples(5, 2)
    for example in task.examples(50, 1):
        (item,) = example.evidence
        assert holds(example.observations[item.observation], item)
        asked = example.question.removeprefix("What is the ").removesuffix("?")
        assert sum(f"The {asked} is" in text for text in example.observations) == 1


def test_replay_rebuilds_the_bank_at_each_moment():
    config = scripted("last")
    (episode,) = run_episodes(config.paradigm, config.policy.load(), config.task.examples(1, 1))
    writes = [event for event in episode.events if isinstance(event, Wrote)]
    assert [event.action for event in writes] == ["add", "update", "update"]
    assert replay(episode.events, 0) == {}
    for event in writes:
        (memory,) = replay(episode.events, event.seq + 1).values()
        assert memory.text == event.after


class Shouting(Sampler):
    """Fails on one example's paradigm code by answering with a completion that is not text."""

    def complete(self, asks, temperature):
        return [
            Completion(text="x" * (999 if "Text" in a.messages[-1]["content"] else 1)) for a in asks
        ]


def test_a_part_that_raises_ends_its_own_episode_only():
    config = scripted("last")
    good, bad = config.task.examples(2, 1)

    class Fragile(type(config.paradigm.extractor)):
        def extract(self, observation, context):
            if context.example.id == bad.id:
                raise ValueError("no facts here")
            return super().extract(observation, context)

    paradigm = config.paradigm.model_copy(update={"extractor": Fragile()})
    done = [
        score(e, {"exact_match": 1})
        for e in run_episodes(paradigm, config.policy.load(), [good, bad])
    ]
    assert [episode.stop_reason for episode in done] == ["answered", "failed"]
    (failure,) = [event for event in done[1].events if isinstance(event, Failed)]
    assert failure.error == "ValueError: no facts here"
    assert done[1].reward == 0.0


def test_overlong_writes_are_rejected_with_the_reason():
    config = scripted("last")
    (episode,) = run_episodes(config.paradigm, Shouting(), config.task.examples(1, 1))
    writes = [event for event in episode.events if isinstance(event, Wrote)]
    assert {event.action for event in writes} == {"reject"}
    assert writes[0].reason == "over budget: 999 characters, 64 are allowed"
    assert measure(episode)["rejected"] == 1.0


def test_answers_are_compared_as_squad_does():
    assert extract_answer("so \\boxed{a} and \\boxed{The Cat}.") == "The Cat"
    assert exact_match("\\boxed{The  cat!}", ["dog", "cat"]) == 1.0
    assert exact_match("the", ["Paris, the city"]) == 0.0
    assert exact_match("\\boxed{x}" + "y" * 400, ["x"]) == 0.0
    assert f1("red big cat", ["big cat"]) == pytest.approx(0.8)
    assert bleu1("red big cat", ["big cat"]) == pytest.approx(2 / 3)
    assert bleu1("cat", ["big cat"]) == pytest.approx(0.3679, abs=1e-4)
    assert contained("Alpha  and beta", ["alpha", "gamma"]) == 0.5


def test_evidence_is_held_only_as_whole_words_in_order():
    item = Evidence(text="The pet of Bako is Zimo.")
    assert holds("The car of Gose is Nari. The pet of bako is zimo", item)
    assert not holds("The pet of Bako is Zimora.", item)
    assert not holds("Bako's pet was Zimo.", item)
    assert not holds("", item)


def test_intervals_cover_the_mean():
    assert interval([1.0] * 10) == {
        "mean": 1.0, "low": 1.0, "high": 1.0, "n": 10, "clusters": 10,
    }  # fmt: skip
    some = interval([0.0, 1.0] * 50)
    assert some["low"] < 0.5 < some["high"] and some["high"] - some["low"] < 0.25
