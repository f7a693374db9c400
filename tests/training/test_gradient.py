"""The gradient of one optimizer step against one computed by hand, on a model of 24 weights.

The model is a bigram table of rank two: the logits of the next token are head @ embed[token]. All that the loss
says about a token is then a vector over the vocabulary, dL/dlogits, and the gradient of the weights two outer
products; nothing here uses autograd.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from transformers import (
    GenerationMixin,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    TrainerCallback,
)
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutput

from memfactory_core.config import Training, load
from memfactory_core.policies.language_model import LanguageModelSampler
from memfactory_core.tiny.tokenizer import make_tokenizer
from memfactory_core.training.arguments import grpo_config
from memfactory_core.training.log_probs import importance_ratio, kept_log_probs
from memfactory_core.training.trainer import MemoryGRPOTrainer
from memfactory_core.types import Completion, Turn

VOCABULARY, RANK, TEMPERATURE, MIN_P, ENTROPY = 6, 2, 0.8, 0.55, 0.3


class BigramConfig(PreTrainedConfig):
    model_type = "bigram"
    vocab_size = VOCABULARY
    hidden_size = RANK


class Table(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(VOCABULARY, RANK)

    def forward(self, input_ids, attention_mask=None, **_):
        return BaseModelOutput(last_hidden_state=self.embed(input_ids))


class Bigram(PreTrainedModel, GenerationMixin):
    config_class = BigramConfig
    base_model_prefix = "table"

    def __init__(self, config):
        super().__init__(config)
        self.table = Table()
        self.head = torch.nn.Linear(RANK, VOCABULARY, bias=False)

    def get_output_embeddings(self):
        return self.head

    def forward(self, input_ids, attention_mask=None, logits_to_keep=0, **_):
        hidden = self.table(input_ids).last_hidden_state
        return CausalLMOutput(logits=self.head(hidden[:, -logits_to_keep:]))


def log_softmax(logits, kept):
    """Log-probabilities over the kept ids, -inf elsewhere."""
    result = np.full(VOCABULARY, -math.inf)
    top = max(logits[i] for i in kept)
    total = math.log(sum(math.exp(logits[i] - top) for i in kept)) + top
    for i in kept:
        result[i] = logits[i] - total
    return result


def logits_after(embed, head, token):
    return head @ embed[token] / TEMPERATURE


# prompt, completion, advantage (the negative ones are weighted by one half already)
TURNS = [
    ((1, 2), (3, 4, 5), 1.0), ((5,), (1,), -0.5), ((2, 2, 4), (0, 1), 0.7), ((3,), (2, 5, 1, 4), -0.25),
    ((4, 1), (5,), 0.4),
]  # fmt: skip


def make_rows(embed, head, cut, shift):
    """The turns as they were drawn under slightly other weights (`shift`), so that the ratio is not one. `cut` says
    whether what they were drawn from was cut: of all, of none, or of every second one."""
    rows = []
    for number, (prompt, said, advantage) in enumerate(TURNS):
        held = number % 2 == 0 if cut == "some" else cut
        kept, logps = [], []
        for before, token in itertools.pairwise((prompt[-1], *said)):
            logits = logits_after(embed + shift, head, before)
            whole = log_softmax(logits, range(VOCABULARY))
            # a drawn token is always among the kept ones, whatever these made-up turns say
            ids = [
                i
                for i in range(VOCABULARY)
                if i == token or whole[i] >= max(whole) + math.log(MIN_P)
            ]
            ids = ids if held else list(range(VOCABULARY))
            kept.append(tuple(ids))
            logps.append(float(log_softmax(logits, ids)[token]))
        done = Completion(
            text="", prompt_ids=prompt, completion_ids=said, logprobs=tuple(logps),
            kept=tuple(kept) if held else None,
        )  # fmt: skip
        rows.append((Turn(role="update", messages=(), completion=done), advantage))
    return rows


def gradient_by_hand(embed, head, rows, loss, clip, entropy, longest):
    """d loss / d (embed, head), token by token."""
    count = sum(len(turn.completion.completion_ids) for turn, _ in rows)
    d_embed, d_head = np.zeros_like(embed), np.zeros_like(head)
    clipped = 0
    for turn, advantage in rows:
        done = turn.completion
        share = {
            "dapo": 1 / count, "bnpo": 1 / count,
            "grpo": 1 / len(done.completion_ids) / len(rows), "dr_grpo": 1 / longest / len(rows),
        }[loss]  # fmt: skip
        befores = (done.prompt_ids[-1], *done.completion_ids)
        for place, token in enumerate(done.completion_ids):
            kept = done.kept[place] if done.kept else range(VOCABULARY)
            before = befores[place]
            logps = log_softmax(logits_after(embed, head, before), kept)
            chances = np.exp(logps)
            ratio = math.exp(logps[token] - done.logprobs[place])
            # min(ratio A, clip(ratio) A) is flat where the clipped one is smaller
            flat = ratio > 1 + clip if advantage > 0 else ratio < 1 - clip
            clipped += flat
            d_logits = np.zeros(VOCABULARY)
            if not flat:
                d_logits += -share * advantage * ratio * (np.eye(VOCABULARY)[token] - chances)
            finite = np.where(np.isfinite(logps), logps, 0.0)
            disorder = -(chances * finite).sum()
            d_logits -= entropy / count * -chances * (finite + disorder)
            d_logits /= TEMPERATURE
            d_head += np.outer(d_logits, embed[before])
            d_embed[before] += head.T @ d_logits
    return d_embed, d_head, clipped


class Given(MemoryGRPOTrainer):
    """Learns from given rows instead of played episodes."""

    rows = ()

    def _generate_and_score_completions(self, inputs):
        return self._batch(list(self.rows))


class Gradients(TrainerCallback):
    def on_pre_optimizer_step(self, args, state, control, model=None, **_):
        self.embed = model.table.embed.weight.grad.numpy().copy()
        self.head = model.head.weight.grad.numpy().copy()


def tokenizer_of_the_test() -> PreTrainedTokenizerFast:
    tokenizer = make_tokenizer()
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(0)
    return tokenizer


def train_a_step(tmp_path, rows, embed, head, **settings):
    settings = Training(
        steps=1, groups=2, group_size=4, warmup_steps=0, temperature=TEMPERATURE, **settings
    )
    config = load("memagent-tiny")
    model = Bigram(BigramConfig())
    model.table.embed.weight.data = torch.tensor(embed)
    model.head.weight.data = torch.tensor(head)
    args = grpo_config(
        settings, str(tmp_path), 0, use_cpu=True, save_strategy="no", max_grad_norm=1e9
    )
    seen = Gradients()
    trainer = Given(
        LanguageModelSampler(model, tokenizer_of_the_test()), config.paradigm,
        config.task.examples(2, 0), config.reward, settings, args, callbacks=[seen],
    )  # fmt: skip
    trainer.rows = rows
    trainer.train()
    return trainer, seen


@pytest.mark.parametrize("entropy", [0.0, ENTROPY], ids=["plain", "entropy"])
@pytest.mark.parametrize("cut", [False, True, "some"], ids=["whole", "min_p", "some"])
@pytest.mark.parametrize("pieces", [4, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("loss", ["dapo", "grpo", "dr_grpo", "bnpo"])
def test_a_step_follows_the_gradient_computed_by_hand(tmp_path, loss, pieces, cut, entropy):
    rng = np.random.default_rng(0)
    embed, head = (rng.normal(size=(VOCABULARY, RANK)).astype(np.float32) for _ in range(2))
    rows = make_rows(embed, head, cut, shift=0.25)
    trainer, seen = train_a_step(
        tmp_path, rows, embed, head, loss=loss, micro_batches=pieces, entropy=entropy
    )
    # five turns in four pieces: three rows of padding
    by_hand = gradient_by_hand(
        embed.astype(float), head.astype(float), rows, loss, 0.2, entropy,
        trainer.max_completion_length,
    )  # fmt: skip
    assert by_hand[2] >= 2, "some tokens are beyond the clip range"
    scale = max(np.abs(by_hand[0]).max(), np.abs(by_hand[1]).max())
    assert scale > 1e-4
    np.testing.assert_allclose(seen.embed, by_hand[0], rtol=1e-3, atol=1e-4 * scale)
    np.testing.assert_allclose(seen.head, by_hand[1], rtol=1e-3, atol=1e-4 * scale)


def test_a_token_that_had_no_rival_is_not_pushed(tmp_path):
    """Where min-p left one id, the draw was no decision: its log-prob is 0 and carries no gradient."""
    embed, head = np.ones((VOCABULARY, RANK), np.float32), np.ones((VOCABULARY, RANK), np.float32)
    done = Completion(text="", prompt_ids=(1,), completion_ids=(3,), logprobs=(0.0,), kept=((3,),))
    rows = [(Turn(role="update", messages=(), completion=done), 1.0)]
    _, seen = train_a_step(tmp_path, rows, embed, head)
    assert not seen.embed.any() and not seen.head.any()


def test_kept_log_probs_are_those_of_the_distribution_that_was_drawn_from():
    logits = torch.log(torch.tensor([[[0.5, 0.3, 0.15, 0.05]]]))
    logps, entropies = kept_log_probs(logits, torch.tensor([[1]]), torch.tensor([[[0, 1, -1]]]))
    assert logps.item() == pytest.approx(math.log(0.3 / 0.8))
    expected = -(0.625 * math.log(0.625) + 0.375 * math.log(0.375))
    assert entropies.item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("token_truncate", [[2.0, 0.5]]), ("token_mask", [[0.0, 0.5]]),
        ("sequence_truncate", [[2.0]]), ("sequence_mask", [[0.0]]),
    ],
)  # fmt: skip
def test_another_engines_tokens_are_weighted_by_how_likely_they_are_here(mode, expected):
    trained = torch.log(torch.tensor([[0.8, 0.2, 0.9]]))
    sampled = torch.log(torch.tensor([[0.1, 0.4, float("nan")]]))
    mask = torch.tensor([[1, 1, 1]])
    ratio = importance_ratio(trained, sampled, mask, mode, None, 2.0)
    if mode.startswith("token"):
        expected = [[*expected[0], 1.0]]  # what the engine did not tell counts as equal
    torch.testing.assert_close(ratio, torch.tensor(expected))
