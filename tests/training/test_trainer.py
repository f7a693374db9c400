"""The trainer seam: every trap that the design names."""

import copy
import math
import statistics

import pytest
import torch
from transformers import TrainerCallback

from memfactory_core.config import Training, load
from memfactory_core.errors import RunError
from memfactory_core.policies.language_model import LanguageModelSampler
from memfactory_core.policies.roles import RoleSampler
from memfactory_core.policies.scripted import Scripted
from memfactory_core.trace import Episode
from memfactory_core.training.advantages import (
    advantages_of_step,
    equal_groups,
    to_rows,
    with_advantages,
)
from memfactory_core.training.arguments import grpo_config
from memfactory_core.training.rows import to_tensors
from memfactory_core.training.trainer import MemoryGRPOTrainer
from memfactory_core.types import Completion, Example, Turn

EXAMPLE = Example(id="e", observations=("o",), question="q", answers=("a",))


def turn(prompt=(1, 2), completion=(3, 4, 5), trainable=True):
    done = Completion(text="t", prompt_ids=prompt, completion_ids=completion)
    return Turn(role="update", messages=(), completion=done, trainable=trainable)


def episode(group, reward, turns=1):
    return Episode(
        id=f"{group}{reward}",
        group_id=group,
        example=EXAMPLE,
        reward=reward,
        turns=(turn(),) * turns,
    )


def test_advantages_compare_episodes_and_not_their_turns():
    episodes = [episode("g", 1.0, turns=9), episode("g", 0.0), episode("h", 1.0), episode("h", 1.0)]
    done = with_advantages(episodes, "none")
    assert [e.advantage for e in done] == [0.5, -0.5, 0.0, 0.0]
    assert [e.advantage for e in with_advantages(episodes, "group")][:2] == pytest.approx(
        [1, -1], abs=1e-3
    )
    rows = to_rows(done)
    assert len(rows) == 12 and sum(a == 0.5 for _, a in rows) == 9
    assert equal_groups(done) == {"h"}
    assert len(to_rows(done, drop_silent=True)) == 10
    # of the batch: every group's advantages by the spread of all rewards
    spread = statistics.pstdev([one.reward for one in episodes]) + 1e-4
    batch = [one.advantage for one in with_advantages(episodes, "batch")]
    assert batch == pytest.approx([one.advantage / spread for one in done])
    better = with_advantages(episodes, "none", negative=0.0)
    assert [e.advantage for e in better] == [0.5, 0.0, 0.0, 0.0]
    assert len(to_rows(better, drop_silent=True)) == 9


def test_shuffled_advantages_are_those_of_the_group_at_attempts_of_chance():
    """The control of a credit: as much is learned from, and none of it says what was right."""
    attempts = [
        episode(group, float(reward)).model_copy(update={"dropped": reward == 7})
        for group in "gh"
        for reward in range(8)
    ]
    own = advantages_of_step(attempts, Training(), 3, 0)
    assert own == with_advantages(attempts, "group")
    dealt = [
        advantages_of_step(attempts, Training(shuffled=True), step, 0) for step in range(1, 201)
    ]
    assert dealt[2] == advantages_of_step(attempts, Training(shuffled=True), 3, 0)
    for step in dealt:
        assert [one.reward for one in step] == [one.reward for one in own]
        assert all(one.advantage == 0 for one in step if one.dropped)
        for group in (slice(0, 8), slice(8, 16)):
            assert sorted(e.advantage for e in step[group]) == sorted(
                e.advantage for e in own[group]
            )
    best = [step[6].advantage for step in dealt]  # the one that earned most
    assert own[6].advantage > 1.4 and abs(sum(best) / len(best)) < 0.25


def test_untrained_turns_and_turns_without_ids_make_no_rows():
    mixed = episode("g", 1.0).model_copy(
        update={"turns": (turn(trainable=False), turn(completion=None), turn())}
    )
    assert len(to_rows([mixed])) == 1


def test_rows_are_padded_with_masked_ones_and_ids_are_kept():
    rows = [(turn(), 1.0), (turn((7,), (8,)), -1.0)]
    batch = to_tensors(rows, 4, pad_id=0)
    assert batch["prompt_ids"].tolist() == [[1, 2], [0, 7], [0, 0], [0, 0]]
    assert batch["prompt_mask"].tolist() == [[1, 1], [0, 1], [0, 1], [0, 1]]
    assert batch["completion_ids"].tolist() == [[3, 4, 5], [8, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert batch["completion_mask"].sum().item() == 4
    assert batch["advantages"].tolist() == [1.0, -1.0, 0.0, 0.0]


class Rewarded(MemoryGRPOTrainer):
    """Gives fixed rewards in place of the measured ones, so that an untrained model has a gradient."""

    def _check_groups(self, episodes):
        super()._check_groups(episodes)
        for index, one in enumerate(episodes):
            episodes[index] = one.model_copy(update={"reward": float(index % 2)})


def make(sampler, tmp_path, trainer=Rewarded, paradigm=(), **settings):
    small = ["paradigm.updater.max_tokens=6", "paradigm.answer_tokens=4", *paradigm]
    config = load("memagent-tiny", small)
    settings = Training(
        **({"steps": 2, "groups": 2, "group_size": 2, "warmup_steps": 0} | settings)
    )
    examples = config.task.examples(settings.steps * settings.groups, 0)
    seen = []
    args = grpo_config(settings, str(tmp_path), 0, use_cpu=True, save_strategy="no")
    made = trainer(
        sampler, config.paradigm, examples, config.reward, settings, args,
        on_episodes=lambda step, episodes: seen.append((step, episodes)),
    )  # fmt: skip
    return made, seen


def weights(sampler):
    return {name: value.detach().clone() for name, value in sampler.model.named_parameters()}


class Gradients(TrainerCallback):
    """Keeps the gradients of the last step."""

    def on_pre_optimizer_step(self, args, state, control, model=None, **more):
        self.seen = {name: value.grad.clone() for name, value in model.named_parameters()}


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": "dapo"}, {"loss": "grpo"}, {"loss": "dr_grpo"}, {"loss": "bnpo"},
        {"reuse": 2}, {"drop_silent": False}, {"beta": 0.1}, {"entropy": 0.01}, {"micro_batches": 2},
    ],
    ids=str,
)  # fmt: skip
def test_a_step_moves_the_parameters_and_loses_no_row(untrained, tmp_path, settings):
    if settings.get("beta"):
        untrained.model.save_pretrained(tmp_path / "start")
        untrained.model.config._name_or_path = str(tmp_path / "start")
    before = weights(untrained)
    trainer, seen = make(untrained, tmp_path, **settings)
    trained_rows = []
    inner = trainer._compute_loss

    def count(model, inputs):
        trained_rows.append(int((inputs["completion_mask"].sum(-1) > 0).sum()))
        return inner(model, inputs)

    trainer._compute_loss = count
    trainer.train()
    moved = [
        name for name, value in weights(untrained).items() if not torch.equal(value, before[name])
    ]
    assert len(moved) == len(before)
    generations = 1 if settings.get("reuse") == 2 else 2
    assert [step for step, _ in seen] == [1, 2][:generations]
    turns = sum(len(e.turns) for _, episodes in seen for e in episodes)
    assert sum(trained_rows) == turns * settings.get("reuse", 1)
    assert all(math.isfinite(log.get("loss", 0.0)) for log in trainer.state.log_history)


def test_accumulated_pieces_give_the_same_step_as_one(untrained, tmp_path):
    results = []
    for pieces in (1, 4):
        sampler = copy.copy(untrained)
        sampler.model = copy.deepcopy(untrained.model)
        sampler.random = torch.Generator().manual_seed(3)
        trainer, _ = make(sampler, tmp_path / str(pieces), steps=1, micro_batches=pieces)
        noted = Gradients()
        trainer.add_callback(noted)
        trainer.train()
        results.append(noted.seen)
    # not the weights: AdamW's first step is as long for a gradient of nothing but rounding as for any other
    most = max(float(gradient.abs().max()) for gradient in results[0].values())
    assert most > 1e-4
    for name, gradient in results[0].items():
        torch.testing.assert_close(gradient, results[1][name], atol=1e-5 * most, rtol=1e-3)


def test_a_group_without_differences_leaves_the_policy_alone(untrained, tmp_path):
    class Same(MemoryGRPOTrainer):
        def _check_groups(self, episodes):
            episodes[:] = [e.model_copy(update={"reward": 1.0}) for e in episodes]

    before = weights(untrained)
    trainer, _ = make(untrained, tmp_path, trainer=Same, steps=1)
    trainer.train()
    assert all(torch.equal(value, before[name]) for name, value in weights(untrained).items())
    assert trainer.state.log_history[0]["equal_groups"] == 1.0


def test_generation_through_trl_serves_any_model(untrained, tmp_path):
    sampler = LanguageModelSampler(untrained.model, untrained.tokenizer)
    trainer, seen = make(sampler, tmp_path, steps=1)
    trainer.train()
    done = [t.completion for _, episodes in seen for e in episodes for t in e.turns]
    assert all(len(c.completion_ids) <= 6 for c in done)
    assert {c.finish_reason for c in done} <= {"stop", "length"}


def test_rewards_are_never_asked_of_trl(untrained, tmp_path):
    trainer, _ = make(untrained, tmp_path)
    with pytest.raises(RuntimeError, match="never by TRL"):
        trainer.reward_funcs[0](prompts=[], completions=[])


def test_pieces_must_divide_the_episodes():
    with pytest.raises(ValueError, match="micro_batches"):
        grpo_config(Training(groups=2, group_size=2, micro_batches=3), "x", 0)


def test_a_run_in_which_nothing_is_trained_is_refused(untrained, tmp_path):
    """A rewriting updater is the only role that manages a MemAgent's memory."""
    frozen = copy.copy(untrained)
    players = RoleSampler(untrained, {"update": ("start", frozen)})
    trainer, _ = make(players, tmp_path, steps=1, paradigm=("paradigm.trains=memory",))
    with pytest.raises(RunError, match="nothing is trained.*roles: update"):
        trainer.train()


def test_only_a_language_model_is_trained(tmp_path):
    scripted = RoleSampler(Scripted().load(), {})
    with pytest.raises(RunError, match="only a language model can be trained"):
        make(scripted, tmp_path)


def test_a_frozen_role_is_played_and_not_learned_from(untrained, tmp_path):
    frozen = copy.copy(untrained)
    frozen.model = copy.deepcopy(untrained.model)
    players = RoleSampler(untrained, {"answer": ("start", frozen)})
    trainer, seen = make(players, tmp_path, steps=1, paradigm=("paradigm.trains=memory",))
    before = {name: value.clone() for name, value in frozen.model.state_dict().items()}
    trained = []
    inner = trainer._batch
    trainer._batch = lambda rows: trained.extend(rows) or inner(rows)
    trainer.train()
    assert {turn.role for turn, _ in trained} == {"update"}
    turns = [t for _, episodes in seen for e in episodes for t in e.turns]
    assert {t.role: t.completion.policy for t in turns} == {"update": None, "answer": "start"}
    assert all(
        torch.equal(value, before[name]) for name, value in frozen.model.state_dict().items()
    )
