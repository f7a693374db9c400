"""Same-state credit: the attempts of a group part at one decision, and nothing else is trained."""

from collections import Counter

import pytest

from memfactory_core.config import Training, load
from memfactory_core.policies.scripted import ScriptedSampler
from memfactory_core.training.advantages import to_rows, with_advantages
from memfactory_core.training.attempts import play_attempts

SIZE = 4
RECIPES = {
    "memory-r1-tiny": [],
    "memagent-tiny": [],
    "rmm-tiny": ["roles={}"],
    "rmm-smollm2-topics": ["roles={}", "paradigm.retriever=bm25"],
}


class Counting(ScriptedSampler):
    """Decides at random, and counts how often it is asked."""

    asked = 0

    def complete(self, asks, temperature):
        self.asked += len(asks)
        return super().complete(asks, temperature)


def play(recipe, credit, step=1, seed=0):
    config = load(recipe, RECIPES[recipe])
    examples = [example for example in config.task.examples(5, 3) for _ in range(SIZE)]
    sampler = Counting("random", seed)
    settings = Training(credit=credit, group_size=SIZE)
    return (
        play_attempts(config.paradigm, sampler, examples, settings, step, seed),
        sampler,
        examples,
    )


def said(turn):
    return turn.role, turn.messages, turn.completion.text


@pytest.mark.parametrize("recipe", RECIPES)
def test_attempts_part_at_one_trained_turn(recipe):
    episodes, sampler, examples = play(recipe, "decision")
    assert [episode.example for episode in episodes] == examples
    assert set(Counter(episode.group_id for episode in episodes).values()) == {SIZE}
    assert len({episode.id for episode in episodes}) == len(episodes)
    shared = 0
    for start in range(0, len(episodes), SIZE):
        first, *others = episodes[start : start + SIZE]
        (place,) = [index for index, turn in enumerate(first.turns) if turn.trainable]
        for other in others:
            assert [index for index, turn in enumerate(other.turns) if turn.trainable] == [place]
            for one, again in zip(first.turns[:place], other.turns[:place], strict=True):
                assert said(one) == said(again)
            # the state is the same, so that the question is
            assert first.turns[place].messages == other.turns[place].messages
            shared += place
    assert sampler.asked == sum(len(episode.turns) for episode in episodes) - shared


def test_only_the_decision_has_rows():
    episodes = play("memory-r1-tiny", "decision")[0]
    marked = [
        episode.model_copy(
            update={
                "reward": float(index % SIZE == 0),
                "turns": tuple(
                    turn.model_copy(
                        update={
                            "completion": turn.completion.model_copy(
                                update={"prompt_ids": (1,), "completion_ids": (2,)}
                            )
                        }
                    )
                    for turn in episode.turns
                ),
            }
        )
        for index, episode in enumerate(episodes)
    ]
    assert len(to_rows(with_advantages(marked, "group"))) == len(episodes)


def test_the_decision_is_drawn_anew_in_each_step_and_the_same_after_a_resume():
    def places(step, seed=0):
        episodes = play("memory-r1-tiny", "decision", step, seed)[0]
        return [
            index
            for episode in episodes
            for index, turn in enumerate(episode.turns)
            if turn.trainable
        ]

    assert places(3) == places(3)
    assert len({tuple(places(step)) for step in range(6)}) > 3
    drawn = {place for step in range(12) for place in places(step)}
    turns = len(play("memory-r1-tiny", "decision")[0][0].turns)
    assert {0, 1, 2} <= drawn and max(drawn) < turns - 1, "who answers is not trained"


def test_independent_attempts_are_trained_whole():
    episodes, sampler, _ = play("memagent-tiny", "episode")
    assert sampler.asked == sum(len(episode.turns) for episode in episodes)
    assert all(turn.trainable for episode in episodes for turn in episode.turns)


def test_nothing_trained_is_nothing_drawn():
    config = load("memory-r1-tiny", ["paradigm.trains=memory", "paradigm.extractor=verbatim"])
    paradigm = config.paradigm.model_copy(update={"trains": "answer"})
    settings = Training(credit="decision", group_size=2)
    examples = [example for example in config.task.examples(2, 3) for _ in range(2)]
    sampler = ScriptedSampler("random", 0)
    episodes = play_attempts(paradigm, sampler, examples, settings, 1, 0)
    for episode in episodes:  # four questions are answered at once, one of them is drawn
        assert [turn.role for turn in episode.turns if turn.trainable] == ["answer"]
