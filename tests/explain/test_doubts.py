"""Doubts about curves, groups side by side, token views."""

import pytest

from memfactory_core.config import load
from memfactory_core.episode import run_episodes
from memfactory_core.errors import PolicyError
from memfactory_core.explain.attempts import aligned_banks, parting
from memfactory_core.explain.doubts import doubts
from memfactory_core.explain.likelihood import compare_tokens
from memfactory_core.types import Completion, Turn

WEIGHTS = {"exact_match": 1.0, "rejected": -0.2}


def line(start, end, steps=30):
    return [start + (end - start) * i / (steps - 1) for i in range(steps)]


def names(curves, weights=WEIGHTS):
    return [doubt.name for doubt in doubts(curves, weights)]


def test_a_reward_that_rises_with_the_answers_raises_no_doubt():
    assert names({"reward": line(0.1, 0.9), "score/exact_match": line(0.1, 0.9)}) == []


def test_a_reward_that_rises_without_the_answers_is_doubted():
    curves = {
        "reward": line(0.0, 0.2), "score/exact_match": line(0.1, 0.1), "score/rejected": line(1.0, 0.0)
    }  # fmt: skip
    assert names(curves) == ["answers", "format"]


def test_groups_without_differences_and_lost_entropy_are_doubted():
    flat = {"reward": line(0.2, 0.2), "equal_groups": line(0.9, 0.9), "entropy": line(0.01, 0.01)}
    assert names(flat) == ["equal_groups", "entropy"]
    assert names({"reward": line(0.2, 0.2, steps=8)}) == ["short"]


def test_groups_are_aligned_and_part_where_the_words_differ():
    config = load("memagent-tiny", ["mode=evaluate", "policy=scripted", "policy.strategy=random"])
    (example,) = config.task.examples(1, 1)
    episodes = run_episodes(config.paradigm, config.policy.load(), [example] * 4, 1.0, ["g"] * 4)
    assert parting(episodes[0], episodes[0]) is None
    number = parting(episodes[0], episodes[1])
    said = [[t.completion.text for t in e.turns] for e in episodes[:2]]
    assert said[0][:number] == said[1][:number] and said[0][number] != said[1][number]
    rows = aligned_banks(episodes)
    assert sum(len(row.attempts) for row in rows) == 4
    assert len(rows[0].attempts) == max(len(row.attempts) for row in rows)


def test_tokens_under_the_policy_that_said_them_have_its_log_probs(untrained):
    config = load("memagent-tiny", ["paradigm.updater.max_tokens=6", "paradigm.answer_tokens=3"])
    (episode,) = run_episodes(config.paradigm, untrained, config.task.examples(1, 1), 1.0)
    turn = episode.turns[0]
    tokens = compare_tokens(turn, untrained, untrained)
    assert [t.now for t in tokens] == pytest.approx(list(turn.completion.logprobs), abs=1e-3)
    assert all(token.now == token.start for token in tokens)
    with pytest.raises(PolicyError, match="no tokens"):
        compare_tokens(
            Turn(role="x", messages=(), completion=Completion(text="t")), untrained, untrained
        )


def test_a_reward_that_counts_answers_in_its_own_way_is_judged_by_it():
    flat, rising = line(0.1, 0.1), line(0.1, 0.9)
    curves = {"reward": rising, "score/exact_match": flat, "score/contained": rising}
    assert [d.name for d in doubts(curves, {"contained": 1.0})] == []
    assert [d.name for d in doubts(curves, {"exact_match": 1.0})] == ["answers"]


@pytest.mark.parametrize("entry", [1.0, {"kind": "kept", "weight": 1.0}], ids=str)
def test_a_reward_that_rises_by_memory_alone_is_told(entry):
    curves = {"reward": line(0.1, 0.9), "score/exact_match": line(0.1, 0.1)}
    curves["score/kept"] = line(0.1, 0.9)
    found = doubts(curves, {"kept": entry, "exact_match": 0.1})
    assert [d.name for d in found] == ["answers", "format"]
    assert "100% of the reward's change" in found[1].sentence
