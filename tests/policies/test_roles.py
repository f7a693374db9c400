"""Roles with a policy of their own: who answers whom, what is trained, which settings contradict each other."""

import pytest
import torch

from memfactory_core.config import build, load
from memfactory_core.episode import Ask, Sampler, run_episodes
from memfactory_core.errors import ConfigError
from memfactory_core.policies.roles import RoleSampler
from memfactory_core.training.advantages import to_rows
from memfactory_core.types import Completion, Example

EXAMPLE = Example(id="e", observations=("o",), question="q", answers=("a",))
FROZEN = ["paradigm.trains=memory", "roles.answer=start"]


class Naming(Sampler):
    """Says its own name, and counts how often it was asked."""

    def __init__(self, name):
        self.name, self.calls, self.seeds = name, 0, []

    def complete(self, asks, temperature):
        self.calls += 1
        return [Completion(text=f"{self.name} {ask.role} {temperature}") for ask in asks]

    def seed(self, seed):
        self.seeds.append(seed)

    def state(self):
        return {"calls": self.calls}

    def restore(self, state):
        self.calls = state["calls"]


def asks(*roles):
    return [Ask(role, (), 4, True, {}, EXAMPLE) for role in roles]


def test_each_ask_goes_to_its_roles_policy_in_one_batch_and_comes_back_in_order():
    own, other = Naming("own"), Naming("other")
    sampler = RoleSampler(own, {"answer": ("start", other), "rerank": ("start", other)})
    done = sampler.complete(asks("answer", "update", "rerank", "update"), 0.5)
    assert [c.text for c in done] == [
        "other answer 0.5", "own update 0.5", "other rerank 0.5", "own update 0.5",
    ]  # fmt: skip
    assert [c.policy for c in done] == ["start", None, "start", None]
    assert (own.calls, other.calls) == (1, 1)
    sampler.seed(4)
    assert own.seeds == other.seeds == [4]
    state = sampler.state()
    sampler.complete(asks("answer", "update"), 0.5)
    sampler.restore(state)
    assert (own.calls, other.calls) == (1, 1)


def test_what_a_frozen_copy_says_is_marked_and_makes_no_row():
    config = load("memory-r1-tiny", FROZEN)
    sampler = config.load_policies(None, None)
    episodes = run_episodes(config.paradigm, sampler, config.task.examples(2, 3), 1.0)
    turns = [turn for episode in episodes for turn in episode.turns]
    assert {turn.role: (turn.trainable, turn.completion.policy) for turn in turns} == {
        "manage": (True, None), "answer": (False, "start"),
    }  # fmt: skip
    rows = to_rows([e.model_copy(update={"advantage": 1.0}) for e in episodes])
    assert {turn.role for turn, _ in rows} == {"manage"}


def test_a_frozen_copy_does_not_move_with_the_policy():
    config = load("memory-r1-tiny", FROZEN)
    sampler = config.load_policies(None, None)
    _, frozen = sampler.others["answer"]
    before = frozen.model.state_dict()["model.embed_tokens.weight"].clone()
    with torch.no_grad():
        for weight in sampler.own.model.parameters():
            weight.add_(1.0)
    assert torch.equal(frozen.model.state_dict()["model.embed_tokens.weight"], before)


def test_one_policy_of_two_roles_is_loaded_once():
    program = '{"kind": "scripted", "strategy": "overlap"}'
    config = load(
        "memory-r1-tiny",
        ["paradigm.trains=memory", f"roles.answer={program}", f"roles.rerank={program}"],
    )
    others = config.load_policies(None, None).others
    assert others["answer"] is others["rerank"] and others["answer"][0] == "scripted"
    assert build(config.dump()) == config, "a run's record says the same"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["roles.answer=start", "paradigm.trains=both"], "set paradigm.trains to 'memory'"),
        (["roles.answer=start", "paradigm.trains=answer"], "set paradigm.trains to 'memory'"),
        (
            ["paradigm.trains=memory"]
            + [f"roles.{r}=start" for r in ("extract", "update", "manage", "merge", "rerank")],
            "nothing is left to train",
        ),
        (["roles.answer=nobody"], "no policies called 'nobody'"),
        (["roles.cook=start"], "roles.cook"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        load("memory-r1-tiny", settings)
