"""What prompts have in common is computed once: the same text, log-probs and gradient as the plain way."""

import threading

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    Lfm2Config,
    Lfm2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

from memfactory_core.policies.language_model import LanguageModelSampler
from memfactory_core.policies.sharing import packing
from memfactory_core.policies.sharing import shared_attention as attention
from memfactory_core.policies.sharing.decoding import decode
from memfactory_core.policies.sharing.packing import pack
from memfactory_core.policies.sharing.shared_attention import (
    can_share,
    can_stream,
    read_scored,
    shared_attention,
)
from memfactory_core.tiny.tokenizer import make_tokenizer
from memfactory_core.training.log_probs import score_packed
from tests.training.test_trainer import make

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
PACKED = KINDS | {"lfm2": (Lfm2Config, Lfm2ForCausalLM)}
"""Those too whose rows are only packed for training: what short convolutions remember is not streamed."""
LAYERS = {
    "layer_types": ["conv", "full_attention"],
    "conv_L_cache": 5,
    "block_auto_adjust_ff_dim": False,
}


def make_model(kind, **more):
    config, model = PACKED[kind]
    torch.manual_seed(0)
    made = model(config(**(SHAPE | (LAYERS if kind == "lfm2" else {}) | more))).eval()
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


def test_groups_share_their_own_beginnings_where_all_rows_have_too_few_tokens_in_common():
    """As the prompts of the tiny policy do, which all begin with the same two tokens."""
    groups = [[1, 2, *range(start, start + 20)] for start in (10, 40, 70)]
    rows = [[*group, *range(100 + end, 104 + end)] for group in groups for end in (0, 9, 18)]
    rows += [[1, 2], [1, 2, 90]]
    packed = pack(rows)
    # a beginning for each group, four tokens for each of its rows, and the two that are too short to share
    assert packed.ids_1N.size(1) == 3 * 22 + 9 * 4 + 2 + 3
    for row, places in zip(rows, packed.places, strict=True):
        assert packed.ids_1N[0, places].tolist() == row
        assert packed.positions_1N[0, places].tolist() == list(range(len(row)))


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
    counts = torch.bincount(torch.tensor([ids[0] for ids, _ in drawn]), minlength=len(TOKENIZER))
    expected = (model(torch.tensor([COMMON])).logits[0, -1].detach() / 0.7).softmax(-1)
    likeliest = expected.topk(8)
    spread = (4000 * likeliest.values * (1 - likeliest.values)).sqrt()
    assert ((counts[likeliest.indices] - 4000 * likeliest.values).abs() < 4 * spread).all()
    for ids, logps in drawn[:50]:
        assert logps[0] == pytest.approx(float(expected[ids[0]].log()), abs=1e-4)


def gradient_of_a_step(model, folder, shared, checkpointing=False, half=False, **settings):
    """The loss and the gradients of one step whose episodes are made with sharing either way."""
    sampler = LanguageModelSampler(model, TOKENIZER)
    sampler.half = half
    more = {"steps": 1, "micro_batches": 2, "drop_silent": False} | settings
    trainer, _ = make(sampler, folder, **more)
    if checkpointing:
        model.gradient_checkpointing_enable()
        model.enable_input_require_grads()
    sampler.seed(3)
    if not shared:
        trainer.__dict__["shares"] = False
    if not shared or not sampler.shares:
        trainer.complete = sampler.complete
    gradients = {}
    for name, value in model.named_parameters():
        if value.requires_grad:
            value.register_hook(
                lambda g, n=name: gradients.__setitem__(n, gradients.get(n, 0) + g.clone())
            )
    trainer.train()
    return trainer.state.log_history[0]["loss"], gradients


def assert_close(gradients, plain, relative):
    assert set(gradients) == set(plain) and gradients
    most = max(float(value.norm()) for value in plain.values())
    assert most > 1e-3
    for name, value in gradients.items():
        assert (value - plain[name]).norm() <= relative * max(plain[name].norm(), 0.01 * most), name


def with_adapters(model):
    adapters = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    adapted = get_peft_model(model, adapters)
    with torch.no_grad():
        for name, value in adapted.named_parameters():
            if "lora_B" in name:
                value.normal_(std=0.1)
    return adapted


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("way", ["plain", "checkpointing", "adapters", "fused"])
def test_a_step_has_the_gradient_of_the_plain_way(kind, way, tmp_path, monkeypatch):
    """Both make the rows of the same seed; what differs is how they pass through the model."""
    if way == "fused":
        monkeypatch.setattr("memfactory_core.training.log_probs.SMALL_VOCABULARY", 0)
    ways = []
    for shared in (True, False):
        model = make_model(kind)
        model = with_adapters(model) if way == "adapters" else model
        ways.append(
            gradient_of_a_step(  # at a temperature, but where it makes gradients too steep to compare
                model,
                tmp_path / str(shared),
                shared,
                way == "checkpointing",
                entropy=0.1,
                temperature=1.0 if way == "adapters" else 0.7,
            )
        )
    (loss, gradients), (plain_loss, plain) = ways
    assert loss == pytest.approx(plain_loss, abs=1e-5)
    assert_close(gradients, plain, 1e-4)


def test_adapters_in_float32_over_bfloat16_weights_have_the_gradient_up_to_its_rounding(tmp_path):
    ways = []
    for shared in (True, False):
        model = with_adapters(make_model("llama").to(torch.bfloat16))
        ways.append(gradient_of_a_step(model, tmp_path / str(shared), shared, half=True))
    (_, gradients), (_, plain) = ways
    assert {value.dtype for value in gradients.values()} == {torch.float32}
    assert_close(gradients, plain, 0.1)


@pytest.mark.parametrize("kind", ["llama", "lfm2"])
def test_a_penalty_for_leaving_the_start_reads_it_from_packed_rows_too(kind, tmp_path):
    losses = []
    for shared in (True, False):
        model = make_model(kind)
        model.save_pretrained(tmp_path / "start")
        model.config._name_or_path = str(tmp_path / "start")
        with torch.no_grad():
            model.lm_head.weight.mul_(1.1)
        folder = tmp_path / str(shared)
        losses.append(gradient_of_a_step(model, folder, shared, beta=0.5)[0])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


@pytest.mark.parametrize("common", [0, 1, 3, 4, 30])
def test_a_short_convolution_reads_across_the_segments_of_a_row(common):
    """Wherever rows part, also within the convolution's width of their beginning or of one another's end."""
    model = make_model("lfm2")
    assert can_share(model) and not can_stream(model)
    beginning = COMMON[:common]
    rows = [[*beginning, *range(60 + i, 60 + i + length)] for i, length in enumerate((1, 2, 9, 9))]
    rows += [[*rows[2], 7, 8], [*rows[2], 9], [3]]
    packed = pack(rows)
    with shared_attention(model):
        logits = read_scored(model, packed)
    for row, places in zip(rows, packed.places, strict=True):
        torch.testing.assert_close(
            logits[places], model(torch.tensor([row])).logits[0], atol=1e-4, rtol=1e-4
        )


def test_the_shipped_policy_learns_from_packed_rows_and_keeps_its_own_sampler(untrained):
    assert untrained.packs and not untrained.shares
    assert {
        type(layer.conv).__name__
        for layer in untrained.model.model.layers
        if hasattr(layer, "conv")
    } == {"PackedShortConv"}


def test_rows_of_padding_alone_have_no_log_probs_and_no_gradient(tmp_path):
    sampler = LanguageModelSampler(make_model("llama"), TOKENIZER)
    trainer, _ = make(sampler, tmp_path)
    ids, mask = torch.tensor([[0, 5], [0, 6]]), torch.tensor([[1, 0], [1, 0]])
    logps, entropies = score_packed(trainer.model, sampler.model, ids, mask, 1, 2, 1.0)
    assert logps.tolist() == entropies.tolist() == [[0.0], [0.0]]
    logps.sum().backward()
    assert all(value.grad is None or not value.grad.any() for value in sampler.model.parameters())


def test_models_for_which_it_is_not_exact_are_left_alone():
    sliding = MistralForCausalLM(MistralConfig(**(SHAPE | {"sliding_window": 8})))
    layered = Gemma3ForCausalLM(Gemma3TextConfig(**(SHAPE | {"sliding_window": 8})))
    rotated = LlamaForCausalLM(
        LlamaConfig(
            **SHAPE, rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}
        )
    )
    experts = Qwen3MoeForCausalLM(
        Qwen3MoeConfig(**SHAPE, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16)
    )
    capped = Gemma2ForCausalLM(
        Gemma2Config(**(SHAPE | {"sliding_window": 8, "layer_types": ["full_attention"] * 2}))
    )
    learned = GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=1, n_head=2, vocab_size=len(TOKENIZER)))
    models = (sliding, layered, rotated, experts, capped, learned)
    assert [can_share(model) for model in models] == [False] * 6
    biased = Qwen2Config(**(SHAPE | {"sliding_window": 8, "use_sliding_window": False}))
    assert can_share(Qwen2ForCausalLM(biased))
    assert can_share(MistralForCausalLM(MistralConfig(**(SHAPE | {"sliding_window": None}))))


def test_the_models_own_attention_is_back_after_an_error_and_when_nested():
    model = make_model("llama")
    before = model.config._attn_implementation
    with pytest.raises(IndexError):
        decode(model, [[len(TOKENIZER) + 5]], 2, 0.0, set())
    assert model.config._attn_implementation == before
    with shared_attention(model), shared_attention(model):
        pass
    assert model.config._attn_implementation == before and not model.base_model._forward_hooks
    sampler = LanguageModelSampler(model.train(), TOKENIZER)
    with pytest.raises(IndexError):
        sampler.generate([[len(TOKENIZER) + 5]], 2, 0.0)
    assert model.training


def test_threads_that_share_a_model_say_what_each_says_alone():
    sampler = LanguageModelSampler(make_model("llama"), TOKENIZER)
    alone = [sampler.generate([prompt], 6, 0.0) for prompt in PROMPTS]
    said = {}
    threads = [
        threading.Thread(
            target=lambda i=i: said.update({i: sampler.generate([PROMPTS[i]], 6, 0.0)})
        )
        for i in range(len(PROMPTS))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [said[i] for i in range(len(PROMPTS))] == alone


def test_a_mask_of_many_tokens_is_made_in_parts(monkeypatch):
    """The same text whatever is attended at once, and never more cells than that at a time."""
    model = make_model("qwen3")
    whole = decode(model, PROMPTS, 4, 0.0, set())
    monkeypatch.setattr(packing, "BLOCK_KEYS", 48)
    monkeypatch.setattr(attention, "CELLS", 400)
    made = []
    monkeypatch.setattr(
        attention, "_bias", lambda *a, of=attention._bias: made.append(of(*a)) or made[-1]
    )
    again = decode(model, PROMPTS, 4, 0.0, set())
    assert [ids for ids, _ in again] == [ids for ids, _ in whole]
    assert len(made) > 20 and max(bias.numel() for bias in made) <= 400


def test_batches_have_at_most_so_many_tokens():
    sampler = LanguageModelSampler(make_model("llama"), TOKENIZER, batch_size=3)
    sampler.batch_tokens = 100
    batches = list(sampler._batches(PROMPTS, 4))
    assert sorted(j for batch in batches for j in batch) == list(range(len(PROMPTS)))
    for batch in batches:
        longest = max(len(PROMPTS[j]) for j in batch)
        assert len(batch) == 1 or (len(batch) <= 3 and len(batch) * (longest + 4) <= 100)
    assert len(batches) == 4
