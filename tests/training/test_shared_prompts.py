"""What prompts have in common is computed once: the same text, log-probs and gradient as the plain way."""

import copy

import pytest
import torch
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from memfactory_core.policies.decoding import decode
from memfactory_core.policies.language_model import LanguageModelSampler
from memfactory_core.policies.packing import pack
from memfactory_core.policies.shared_attention import can_share
from memfactory_core.tiny.tokenizer import make_tokenizer
from memfactory_core.training.log_probs import score_packed
from tests.training.test_trainer import make, weights

TOKENIZER = make_tokenizer()
SHAPE = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 512, "vocab_size": len(TOKENIZER),
    "pad_token_id": TOKENIZER.pad_token_id, "eos_token_id": TOKENIZER.eos_token_id,
    "bos_token_id": TOKENIZER.bos_token_id,
}  # fmt: skip
COMMON = list(range(20, 50))
PROMPTS = [
    [*COMMON, 5, 6, 7, 8], [*COMMON, 5, 6, 7, 8], [*COMMON, *range(50, 70)], [9, 8, 9],
    [*COMMON, *range(50, 62), 4], COMMON,
]  # fmt: skip
KINDS = {"llama": (LlamaConfig, LlamaForCausalLM), "qwen3": (Qwen3Config, Qwen3ForCausalLM)}


def make_model(kind, **more):
    config, model = KINDS[kind]
    torch.manual_seed(0)
    made = model(config(**(SHAPE | more))).eval()
    with torch.no_grad():  # larger than they are drawn, so that attention decides
        for value in made.parameters():
            value.mul_(3)
    return made


def test_what_rows_begin_with_stands_once_in_the_packed_sequence():
    packed = pack(PROMPTS)
    assert packed.ids_1N.size(1) == 30 + 4 + 12 + 8 + 1 + 3
    for prompt, places in zip(PROMPTS, packed.places, strict=True):
        assert packed.ids_1N[0, places].tolist() == prompt
        assert packed.positions_1N[0, places].tolist() == list(range(len(prompt)))
    assert packed.places[0] == packed.places[1]
    # a block's queries follow one another in the sequence
    asked = torch.cat([block.queries_SL[block.real_SL] for block in packed.blocks])
    assert asked.tolist() == list(range(packed.ids_1N.size(1)))


def test_a_row_without_tokens_is_refused():
    with pytest.raises(ValueError, match="no token"):
        pack([[1], []])


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_greedy_text_and_log_probs_as_each_prompt_alone(kind):
    model = make_model(kind)
    assert can_share(model)
    ends = {TOKENIZER.eos_token_id}
    for prompt, (ids, logps) in zip(PROMPTS, decode(model, PROMPTS, 12, 0.0, ends), strict=True):
        alone = model.generate(torch.tensor([prompt]), max_new_tokens=12, do_sample=False)
        assert ids == alone[0, len(prompt) :].tolist()
        whole = model(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        plain = whole.gather(-1, torch.tensor(ids)[:, None])[:, 0]
        torch.testing.assert_close(torch.tensor(logps), plain, atol=1e-5, rtol=1e-5)
    assert len({tuple(ids) for ids, _ in decode(model, PROMPTS, 12, 0.0, ends)}) == 5


def test_rows_that_ended_leave_and_the_others_say_the_same():
    model = make_model("qwen3")
    whole = decode(model, PROMPTS, 12, 0.0, {TOKENIZER.eos_token_id})
    ends = {whole[0][0][2], whole[3][0][4]}
    for (ids, logps), (more, all_logps) in zip(
        decode(model, PROMPTS, 12, 0.0, ends), whole, strict=True
    ):
        cut = next((i + 1 for i, token in enumerate(more) if token in ends), len(more))
        assert ids == more[:cut]
        torch.testing.assert_close(torch.tensor(logps), torch.tensor(all_logps[:cut]))


def test_it_draws_from_the_softmax_at_the_temperature():
    model = make_model("llama")
    torch.manual_seed(0)
    drawn = decode(model, [COMMON] * 4000, 1, 0.7, set())
    shares = (
        torch.bincount(torch.tensor([ids[0] for ids, _ in drawn]), minlength=len(TOKENIZER)) / 4000
    )
    expected = (model(torch.tensor([COMMON])).logits[0, -1] / 0.7).softmax(-1)
    assert (shares - expected).abs().sum() / 2 < 0.06
    for ids, logps in drawn[:50]:
        assert logps[0] == pytest.approx(float(expected[ids[0]].log()), abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_step_has_the_gradient_of_the_plain_way(kind, checkpointing, tmp_path):
    """Both make the rows of the same seed; what differs is how they pass through the model."""
    moved, losses = [], []
    for shared in (True, False):
        sampler = LanguageModelSampler(copy.deepcopy(make_model(kind)), TOKENIZER)
        trainer, _ = make(
            sampler,
            tmp_path / str(shared),
            steps=1,
            micro_batches=2,
            entropy=0.1,
            drop_silent=False,
        )
        if checkpointing:
            sampler.model.gradient_checkpointing_enable()
        sampler.seed(3)
        if not shared:
            # episodes as with sharing, and the loss of TRL's own way
            trainer.__dict__["shares"] = False
            trainer.complete = sampler.complete
        gradients = {}
        for name, value in sampler.model.named_parameters():
            value.register_hook(
                lambda g, n=name: gradients.__setitem__(n, gradients.get(n, 0) + g.clone())
            )
        trainer.train()
        moved.append(gradients)
        losses.append(trainer.state.log_history[0]["loss"])
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    assert set(moved[0]) == set(moved[1]) and len(moved[0]) == len(weights(sampler))
    for name, value in moved[0].items():
        torch.testing.assert_close(value, moved[1][name], atol=1e-6, rtol=1e-4)
    assert max(float(value.abs().max()) for value in moved[0].values()) > 1e-3


def test_rows_of_padding_alone_have_no_log_probs_and_no_gradient(tmp_path):
    sampler = LanguageModelSampler(make_model("llama"), TOKENIZER)
    trainer, _ = make(sampler, tmp_path)
    ids, mask = torch.tensor([[0, 5], [0, 6]]), torch.tensor([[1, 0], [1, 0]])
    logps, entropies = score_packed(trainer.model, ids, mask, 1, sampler.model)
    assert logps.tolist() == entropies.tolist() == [[0.0], [0.0]]
    logps.sum().backward()
    assert all(value.grad is None or not value.grad.any() for value in sampler.model.parameters())


def test_models_for_which_it_is_not_exact_are_left_alone(untrained):
    sliding = MistralForCausalLM(MistralConfig(**(SHAPE | {"sliding_window": 8})))
    layered = Gemma3ForCausalLM(Gemma3TextConfig(**(SHAPE | {"sliding_window": 8})))
    rotated = LlamaForCausalLM(
        LlamaConfig(
            **SHAPE, rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}
        )
    )
    assert not any(map(can_share, (sliding, layered, rotated, untrained.model)))
    assert can_share(MistralForCausalLM(MistralConfig(**(SHAPE | {"sliding_window": None}))))
