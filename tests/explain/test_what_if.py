"""Counterfactual replay: the recorded part is repeated word by word, the rest is played again."""

import pytest

from memfactory_core.config import load
from memfactory_core.episode import run_episodes
from memfactory_core.errors import RunError
from memfactory_core.explain.what_if import Change, play_again, turn_of, undo
from memfactory_core.rewards import score
from memfactory_core.trace import Wrote, replay


def recorded(strategy, recipe="memagent-tiny", right=False):
    config = load(recipe, ["mode=evaluate", "policy=scripted", f"policy.strategy={strategy}"])
    examples = config.held_out.examples(60, 3, "heldout")
    for episode in run_episodes(config.paradigm, config.policy.load(), examples, 0.0):
        scored = score(episode, config.reward)
        if (scored.scores["exact_match"] == 1.0) == right and scored.scores["stored"] == 1.0:
            return config, scored
    raise AssertionError("no such episode")


def test_without_a_change_the_outcome_is_the_recorded_one():
    config, episode = recorded("last")
    copy = episode.model_dump_json()
    same = Change(turn=len(episode.turns))
    outcome = play_again(
        episode, config.paradigm, config.policy.load(), same, config.reward, samples=3
    )
    assert (outcome.before, outcome.after, outcome.low, outcome.high) == (0.5,) * 4
    for again in outcome.episodes:
        assert [t.completion.text for t in again.turns] == [
            t.completion.text for t in episode.turns
        ]
    assert episode.model_dump_json() == copy


def test_undoing_the_overwrite_that_lost_the_fact_brings_the_answer_back():
    config, episode = recorded("last")
    (needed,) = episode.example.needed
    lost = [
        e for e in episode.events
        if isinstance(e, Wrote) and needed.text in (e.before or "") and needed.text not in e.after
    ]  # fmt: skip
    careful = load("memagent-tiny", ["mode=evaluate", "policy=scripted"]).policy.load()
    outcome = play_again(
        episode, config.paradigm, careful, undo(episode, lost[-1].seq), config.reward
    )
    assert (outcome.before, outcome.after) == (0.5, 1.5)
    assert outcome.exact_match_after == 1.0


def test_undoing_the_first_overwrite_leaves_an_empty_memory():
    config, episode = recorded("last")
    first = next(e for e in episode.events if isinstance(e, Wrote))
    assert (first.action, first.before) == ("add", None)
    outcome = play_again(
        episode, config.paradigm, config.policy.load(), undo(episode, first.seq), config.reward,
        samples=2,
    )  # fmt: skip
    for again in outcome.episodes:
        assert replay(again.events, first.seq + 1) == {}
        assert again.events[first.seq].action == "noop" and again.scores["rejected"] == 0.0
        later = [e for e in again.events if isinstance(e, Wrote) and e.seq > first.seq]
        assert later[0].action == "add" and later[0].before is None
        assert "No memory" not in "".join(e.after or "" for e in later)
        assert [t.completion.text for t in again.turns[:1]] == [
            t.completion.text for t in episode.turns[:1]
        ]


@pytest.mark.parametrize("recipe", ["memory-r1-tiny", "memagent-tiny"])
def test_any_write_can_be_undone(recipe):
    config, episode = recorded("overlap", recipe, right=True)
    for write in [e for e in episode.events if isinstance(e, Wrote) and e.memory_id]:
        change = undo(episode, write.seq)
        outcome = play_again(
            episode, config.paradigm, config.policy.load(), change, config.reward, samples=1
        )
        (again,) = outcome.episodes
        assert again.events[write.seq].action == "noop"
        assert replay(again.events, write.seq + 1) == replay(episode.events, write.seq)


def test_forcing_an_operation_changes_what_follows():
    config, episode = recorded("overlap", "memory-r1-tiny", right=True)
    updates = [e for e in episode.events if isinstance(e, Wrote) and e.action == "update"]
    change = Change(turn=turn_of(episode, updates[0].seq), text="NOOP")
    outcome = play_again(
        episode, config.paradigm, config.policy.load(), change, config.reward, samples=2
    )
    # all right: 1, all needed facts kept: 0.5, three memories at 0.15 each
    assert outcome.after < outcome.before == pytest.approx(1.05)


def test_turns_that_do_not_exist_are_refused():
    config, episode = recorded("last")
    with pytest.raises(RunError, match="has 4 turns, there is no 9"):
        play_again(episode, config.paradigm, config.policy.load(), Change(turn=9), config.reward)
    with pytest.raises(RunError, match="choose a write"):
        undo(episode, 0)
