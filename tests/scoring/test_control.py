"""Answered from another text's memory, who reads the memory falls to chance, and who does not stays where he was."""

import pytest

from memfactory_core.config import load
from memfactory_core.episode import run_episodes
from memfactory_core.policies.scripted import ScriptedSampler
from memfactory_core.scoring.control import find_partner, play_scrambled
from memfactory_core.scoring.evaluate import evaluate
from memfactory_core.text import contains_words
from memfactory_core.trace import Wrote

AGENTS = {
    "memagent-tiny": [],
    "memory-r1-tiny": ["roles={}"],
    "rmm-tiny": ["roles={}", "paradigm.retriever=bm25"],
    "memory-r1-tiny, lance": ["roles={}", "paradigm.store=lance"],
}


class Guessing(ScriptedSampler):
    """Writes what the clairvoyant one writes, and answers without a look at the memory."""

    def _answer(self, ask):
        return ask.example.answers[0]


def measured(name, sampler=None, examples=12):
    settings = ["mode=evaluate", "policy.kind=scripted", "policy.strategy=clairvoyant"]
    config = load(name.partition(",")[0], [*settings, *AGENTS[name]])
    sampler = sampler or config.load_policies(None, None)
    kept = []
    found = evaluate(
        config.paradigm, sampler, config.task.examples(examples, 5), config.reward,
        on_episodes=lambda mode, episodes: kept.append((mode, episodes)), scrambled=True,
    )  # fmt: skip
    return config, sampler, found, kept


@pytest.mark.parametrize("name", AGENTS)
def test_who_reads_falls_to_chance(name):
    _, _, found, kept = measured(name)
    assert found["greedy"]["exact_match"]["mean"] == 1
    asked = [question for episode in kept[0][1] for question in episode.example.questions]
    without = sum(not question.evidence for question in asked) / len(asked)  # "Unknown." is right
    assert found["scrambled"]["exact_match"]["mean"] == pytest.approx(without)
    assert "kept" not in found["scrambled"] and "reward" not in found["scrambled"]
    assert [mode for mode, _ in kept] == ["greedy"], "the control's episodes are no data"


def test_who_guesses_stays_where_he_was():
    sampler = Guessing("clairvoyant", seed=0)
    found = measured("memagent-tiny", sampler)[2]
    assert found["greedy"]["exact_match"]["mean"] == found["scrambled"]["exact_match"]["mean"] == 1


def test_the_memory_is_that_of_the_partner():
    config, sampler, _, kept = measured("memagent-tiny")
    episodes = kept[0][1]
    for index, played in enumerate(play_scrambled(config.paradigm, sampler, episodes)):
        partner = find_partner(episodes, index)
        assert partner.example.text != played.example.text
        (given,) = [event for event in played.events if isinstance(event, Wrote)]
        assert not contains_words(given.after, played.example.answers[0])
        assert given.after == [e for e in partner.events if isinstance(e, Wrote)][-1].after


def test_answers_that_all_texts_share_leave_nobody_out():
    config = load(
        "memory-r1-tiny",
        ["mode=evaluate", "policy.kind=scripted", "policy.strategy=clairvoyant", "roles={}"],
    )
    examples = config.held_out.examples(10, 5, "heldout")
    assert all("Unknown." in {q.answers[0] for q in example.questions} for example in examples)
    sampler = config.load_policies(None, None)
    episodes = run_episodes(config.paradigm, sampler, examples, 0.0)
    played = play_scrambled(config.paradigm, sampler, episodes, at_once=3)
    assert [episode.example for episode in played] == examples
    for episode in played:
        right = [question.answers[0] for question in episode.example.questions]
        said = [episode.answer, *episode.other_answers]
        assert all((a == b) == (a == "Unknown.") for a, b in zip(right, said, strict=True))


def test_one_text_alone_has_no_control():
    found = measured("memagent-tiny", examples=1)[2]
    assert found["scrambled"] == {}
