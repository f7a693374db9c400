"""The readable loop runs, and its numbers are the trainer's: advantages, loss and gradient."""

import importlib.util
from pathlib import Path

import pytest
import torch
from transformers import TrainerCallback

from memfactory_core.training.advantages import to_rows, with_advantages
from memfactory_core.training.arguments import grpo_config
from memfactory_core.training.objective import clipped_gain, group_loss
from tests.training.test_gradient import Given

FILE = Path(__file__).parents[2] / "docs" / "grpo_in_100_lines.py"


@pytest.fixture(scope="module")
def loop():
    spec = importlib.util.spec_from_file_location("grpo_in_100_lines", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.TEXTS = 4
    return module


@pytest.fixture(scope="module")
def played(loop):
    """A sampler and a few groups that it played, some of which teach."""
    sampler = loop.RECIPE.policy.load()
    sampler.seed(3)
    episodes = loop.play(sampler, loop.RECIPE.task.examples(6, 5))
    return sampler, episodes


class Gradients(TrainerCallback):
    def on_pre_optimizer_step(self, args, state, control, model=None, **_):
        self.found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def test_the_loop_is_short_and_documented():
    code = FILE.read_text()
    lines = [
        line for line in code.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    assert len(lines) <= 125
    assert FILE.name in (FILE.parent / "grpo-in-100-lines.md").read_text()


def test_its_advantages_are_the_trainers(loop, played):
    _, episodes = played
    trainers = with_advantages(episodes, "group", loop.NEGATIVE)
    rewards = torch.tensor([one.reward for one in episodes]).view(-1, loop.ATTEMPTS)
    assert len({one.reward for one in episodes}) > 1
    assert loop.advantages(rewards).flatten().tolist() == pytest.approx(
        [one.advantage for one in trainers], abs=1e-4
    )
    rows = to_rows(trainers, drop_silent=True)
    assert [(turn.completion, pytest.approx(a, abs=1e-4)) for turn, a in rows] == loop.make_rows(
        episodes
    )


def test_its_loss_and_gradient_are_the_trainers(loop, played, tmp_path):
    sampler, episodes = played
    settings = loop.RECIPE.training.model_copy(
        update={"steps": 1, "groups": 2, "group_size": 4, "warmup_steps": 0}
    )
    rows = to_rows(with_advantages(episodes, "group", loop.NEGATIVE), drop_silent=True)
    sampler.model.zero_grad()
    loss = loop.backward(sampler.model, [(turn.completion, a) for turn, a in rows])
    mine = {n: p.grad.clone() for n, p in sampler.model.named_parameters() if p.grad is not None}
    sampler.model.zero_grad()
    args = grpo_config(
        settings, str(tmp_path), 0, use_cpu=True, save_strategy="no", max_grad_norm=1e9
    )
    seen = Gradients()
    trainer = Given(
        sampler, loop.RECIPE.paradigm, loop.RECIPE.task.examples(2, 0), loop.RECIPE.reward,
        settings, args, callbacks=[seen],
    )  # fmt: skip
    trainer.rows = rows
    trained = trainer.train()
    assert loss == pytest.approx(trained.training_loss, abs=1e-4)
    assert set(mine) == set(seen.found) and len(mine) > 10
    scale = max(gradient.abs().max() for gradient in mine.values())
    assert scale > 1e-3
    for name, gradient in mine.items():
        torch.testing.assert_close(gradient, seen.found[name], rtol=2e-3, atol=2e-4 * float(scale))


def test_it_trains(loop, capsys):
    history = loop.train(2, seed=1)
    assert len(history) == 2 and len({entry["loss"] for entry in history}) == 2
    assert "exact match" in capsys.readouterr().out


def test_the_objective_of_the_lesson_is_that_of_the_loop():
    """What lesson 2 moves by hand is what training minimises."""
    assert clipped_gain(1.5, 2.0, 0.2) == 2.4 and clipped_gain(1.5, -2.0, 0.2) == -3.0
    assert clipped_gain(0.5, 2.0, 0.2) == 1.0 and clipped_gain(0.5, -2.0, 0.2) == -1.6
    assert group_loss([0.0] * 4, [0.5, 1.0, 1.2, 3.0], [5, 6, 7, 8], 0.2) == 0.0
    advantages, ratios, tokens = [1.0, -0.5], [1.1, 0.9], [3, 5]
    ratio = torch.tensor([1.1] * 3 + [0.9] * 5)
    advantage = torch.tensor([1.0] * 3 + [-0.5] * 5)
    gain = torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
    assert group_loss(advantages, ratios, tokens, 0.2) == pytest.approx(-gain.mean().item())
