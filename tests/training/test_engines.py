"""GRPO on what continuous batching drew: the rows are those that were sampled, under the trainer's own log-probs."""

import pytest
import torch
from transformers import TrainerCallback

from memfactory_core.config import load
from memfactory_core.errors import RunError
from memfactory_core.policies.continuous import ContinuousSampler
from memfactory_core.policies.hf import HF
from memfactory_core.training.arguments import grpo_config
from tests.policies.test_policies import save_model
from tests.training.test_trainer import Rewarded, weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("model"), "llama")


class Gradients(TrainerCallback):
    """Keeps the gradients of the last step."""

    def on_pre_optimizer_step(self, args, state, control, model=None, **more):
        self.seen = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


class Noted(Rewarded):
    """Notes the rows of each step, and how far their log-probs are from the trainer's own."""

    def _batch(self, rows):
        self.rows = [*getattr(self, "rows", []), *(turn.completion for turn, _ in rows)]
        return super()._batch(rows)

    def _add_log_probs(self, batch, size):
        if "sampled_logps" in batch:
            said = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
            mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
            with torch.no_grad():
                own = self._logps(self.model, said, mask, batch["completion_ids"].size(1), size)
            off = (own - batch["sampled_logps"]).abs() * batch["completion_mask"]
            self.off = [*getattr(self, "off", []), float(off.max())]
        super()._add_log_probs(batch, size)


def train(policy, sampler, folder, *settings):
    """Two steps; the trainer and the last gradients."""
    small = ["paradigm.updater.max_tokens=6", "paradigm.answer_tokens=4", "training.groups=2"]
    more = ["training.group_size=2", "training.steps=2", "training.warmup_steps=0"]
    config = load("memagent-tiny", [*small, *more, *settings])
    args = grpo_config(
        config.training, str(folder), 0, use_cpu=True, save_strategy="no", **policy.training_arguments(),
    )  # fmt: skip
    sampler.seed(3)
    trainer = Noted(
        sampler, config.paradigm, config.task.examples(4, 0), config.reward, config.training, args,
        **policy.trainer_options(sampler.model),
    )  # fmt: skip
    noted = Gradients()
    trainer.add_callback(noted)
    trainer.train()
    return trainer, noted.seen


@pytest.mark.parametrize("rank", [0, 4])
def test_what_was_sampled_is_trained_on_under_its_own_log_probs(folder, tmp_path, rank):
    policy = HF(model=folder, dtype="float32", lora_rank=rank, engine="continuous")
    sampler, drawn = policy.load(), []
    inner = sampler._decode_rows

    def note(prompts, limits, temperature):
        said = inner(prompts, limits, temperature)
        drawn.extend(tuple(one.ids) for one in said)
        return said

    sampler._decode_rows = note
    before = weights(sampler)
    trainer, gradients = train(policy, sampler, tmp_path)
    assert trainer.shares, "the loss reads packed rows after the engine had another attention"
    assert sorted(done.completion_ids for done in trainer.rows) == sorted(drawn)
    assert len(trainer.off) == 2 and max(trainer.off) < 1e-4
    after = weights(sampler)
    if not rank:
        assert all(not after[name].equal(value) for name, value in before.items())
        return
    assert gradients and all("lora_" in name for name in gradients)
    assert all(float(after[name].abs().max()) > 0 for name in after if "lora_B" in name)
    whole = {name.replace(".base_layer", ""): value for name, value in after.items()}
    assert all(whole[name].equal(value) for name, value in before.items())


def test_a_model_that_lies_in_pieces_is_refused_with_what_to_choose(folder, tmp_path):
    policy = HF(model=folder, dtype="float32", engine="continuous")
    trainer, _ = train(policy, policy.load(), tmp_path)
    trainer.is_fsdp_enabled = True
    with pytest.raises(RunError, match="needs a whole model: take 'transformers'"):
        trainer.complete([], 1.0)


class Silent(ContinuousSampler):
    """An engine that does not tell the log-probs of what it drew."""

    def _decode_rows(self, *asked):
        return [one._replace(logprobs=None) for one in super()._decode_rows(*asked)]


@pytest.mark.parametrize("reuse", [1, 2])
@pytest.mark.parametrize("beta", [0.1, pytest.param(0.0, marks=pytest.mark.slow)])
def test_an_engine_without_log_probs_gives_the_same_step(folder, tmp_path, reuse, beta):
    """Where a batch serves twice, the trainer finds the old log-probs itself before its first step."""
    policy = HF(model=folder, dtype="float32", engine="continuous")
    seen = []
    for kind in (ContinuousSampler, Silent):
        sampler = policy.load()
        sampler.__class__ = kind
        trainer, gradients = train(
            policy, sampler, tmp_path / kind.__name__, f"training.reuse={reuse}", f"training.beta={beta}",
            "training.learning_rate=0.01",
        )  # fmt: skip
        assert hasattr(trainer, "off") == (kind is ContinuousSampler)
        seen.append(([done.completion_ids for done in trainer.rows], gradients))
    (told, with_them), (silent, without) = seen
    assert told == silent
    most = max(float(value.abs().max()) for value in with_them.values())
    assert most > 1e-5
    for name, value in with_them.items():
        torch.testing.assert_close(value, without[name], atol=1e-3 * most, rtol=1e-2)
