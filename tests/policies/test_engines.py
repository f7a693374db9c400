"""Continuous batching as a policy's engine: the same texts as the default one, the log-probs of what it drew from."""

import gc
import signal
import threading

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    Lfm2Config,
    Lfm2ForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)
from transformers.generation.continuous_batching.cache import PagedAttentionCache

from memfactory_core.config import load
from memfactory_core.dialects.copied import Copied
from memfactory_core.episode import Ask
from memfactory_core.errors import ConfigError, PolicyError
from memfactory_core.policies.continuous import ContinuousSampler, require_pages
from memfactory_core.policies.hf import HF
from memfactory_core.policies.language_model import LanguageModelSampler
from memfactory_core.policies.sharing import continuous
from memfactory_core.policies.sharing.continuous import decode_continuous, try_out
from memfactory_core.policies.sharing.shared_attention import shared_attention
from memfactory_core.runs import database, jobs
from memfactory_core.tiny.tokenizer import make_tokenizer
from tests.policies.test_policies import EXAMPLE, SHAPE, ask, save_model

ASKS = [ask("Memory: a", 9), ask("Memory: a longer one", 7), ask("b", 2), ask("Memory: a", 12)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("model"), "llama")


def loaded(folder, **settings):
    """The same weights with both engines, larger than they are drawn, so that attention decides."""
    samplers = []
    for engine in ("transformers", "continuous"):
        made = HF(**({"model": folder, "dtype": "float32", "engine": engine} | settings)).load()
        with torch.no_grad():
            for value in made.model.parameters():
                value.mul_(3)
        samplers.append(made)
    return samplers


def spoken(completions):
    return [(done.text, done.completion_ids, done.finish_reason) for done in completions]


def assert_plain(sampler, done, temperature, within=1e-4):
    """The log-probs of what was said are those of the model's own pass at the temperature."""
    whole = torch.tensor([list(done.prompt_ids + done.completion_ids)])
    with torch.no_grad():
        logits = sampler.model(whole).logits[0, len(done.prompt_ids) - 1 : -1].float()
    logps = (logits / (temperature or 1.0)).log_softmax(-1)
    plain = logps.gather(-1, torch.tensor(done.completion_ids)[:, None])[:, 0]
    torch.testing.assert_close(torch.tensor(done.logprobs), plain, atol=within, rtol=within)


def test_the_default_is_transformers_and_older_recipes_mean_it(folder):
    assert type(HF(model=folder).load()) is LanguageModelSampler
    older = {name: value for name, value in HF().model_dump().items() if name != "engine"}
    assert HF.model_validate(older).engine == "transformers"


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_greedy_texts_are_those_of_the_default_engine(folder, attention):
    plain, sampler = loaded(folder)
    assert isinstance(sampler, ContinuousSampler)
    sampler.model.set_attn_implementation(attention)
    sampler.model.train()
    threads = threading.active_count()
    said = sampler.complete(ASKS, 0.0)
    assert spoken(said) == spoken(plain.complete(ASKS, 0.0))
    assert [len(done.completion_ids) for done in said] == [9, 7, 2, 12]
    assert threading.active_count() == threads
    assert not [one for one in gc.get_objects() if type(one) is PagedAttentionCache]
    assert sampler.model.config._attn_implementation == attention and sampler.model.training
    sampler.model.eval()
    for done in said:
        assert_plain(sampler, done, 0.0)


@pytest.mark.parametrize("tokens", [65_536, 48])
def test_log_probs_are_of_what_was_drawn_from_however_little_room_there_is(folder, tokens):
    """With room for 48 tokens rows wait for one another, or are thrown out and read again."""
    _, sampler = loaded(folder, batch_tokens=tokens)
    sampler.seed(5)
    for done in sampler.complete(ASKS * 3, 0.7):
        assert len(done.completion_ids) == len(done.logprobs)
        assert_plain(sampler, done, 0.7)


def test_rows_that_were_thrown_out_and_read_again_say_the_same(folder):
    plain, sampler = loaded(folder, batch_tokens=48, batch_size=3)
    assert spoken(sampler.complete(ASKS * 2, 0.0)) == spoken(plain.complete(ASKS * 2, 0.0))


def test_tokens_are_drawn_at_the_temperature(folder):
    _, sampler = loaded(folder, batch_size=512)
    prompt = sampler.encode(ask("Memory: a").messages)
    with torch.no_grad():
        expected = (sampler.model(torch.tensor([prompt])).logits[0, -1] / 0.6).softmax(-1)
    sampler.seed(0)
    drawn = sampler.complete([ask("Memory: a", 1)] * 3000, 0.6)
    counts = torch.zeros(len(expected))
    for done in drawn:
        counts[done.completion_ids[0]] += 1
    likeliest = expected.topk(12)
    assert likeliest.values[0] > 1.5 * likeliest.values[11], "else any temperature would do"
    spread = (3000 * likeliest.values * (1 - likeliest.values)).sqrt()
    assert ((counts[likeliest.indices] - 3000 * likeliest.values).abs() < 4 * spread).all()


def test_draws_follow_the_seed_and_go_on_where_they_stood(folder):
    _, sampler = loaded(folder)
    sampler.seed(1)
    first, stood = sampler.complete(ASKS, 1.0), torch.get_rng_state()
    second, drawn = sampler.complete(ASKS, 1.0), torch.rand(3).tolist()
    assert spoken(first) != spoken(second)
    torch.set_rng_state(stood)  # as a resumed run does
    assert sampler.complete(ASKS, 1.0) == second and torch.rand(3).tolist() == drawn
    sampler.seed(1)
    assert sampler.complete(ASKS, 1.0) == first


def test_a_models_own_generation_settings_do_not_cut_what_is_drawn(folder):
    _, sampler = loaded(folder)
    asks = [ask("Memory: a", 12)] * 20
    sampler.seed(0)
    plain = sampler.complete(asks, 1.0), sampler.complete(asks[:1], 0.0)
    own = sampler.model.generation_config
    own.top_k, own.top_p, own.min_p, own.typical_p = 1, 0.1, 0.9, 0.1
    own.repetition_penalty, own.no_repeat_ngram_size = 9.0, 1
    sampler.seed(0)
    assert (sampler.complete(asks, 1.0), sampler.complete(asks[:1], 0.0)) == plain


def test_an_end_token_ends_a_row_and_stays_in_it(folder):
    plain, sampler = loaded(folder)
    whole = plain.complete(ASKS[:1], 0.0)[0].completion_ids
    plain.end_ids = sampler.end_ids = {whole[3]}
    (done,) = sampler.complete(ASKS[:1], 0.0)
    assert done.finish_reason == "stop" and done.completion_ids == whole[:4]
    assert spoken([done]) == spoken(plain.complete(ASKS[:1], 0.0))


def test_what_must_copy_and_what_is_heard_goes_the_default_way(folder):
    plain, sampler = loaded(folder)
    copied = Copied(sentences=("The dog is Rex.", "The cat is Tom."), budget=60)
    held = Ask("update", ASKS[0].messages, 40, True, {}, EXAMPLE, copied)
    asks = [ASKS[0], held, ASKS[1]]
    said = sampler.complete(asks, 0.0)
    assert copied.allows(said[1].text) and said[1].kept and said[0].kept is said[2].kept is None
    assert spoken(said) == spoken(plain.complete(asks, 0.0))
    heard = []
    assert (
        sampler.stream(ASKS[0], 0.0, lambda text: heard.append(text) or True).text == said[0].text
    )
    assert len(heard) == 9


@pytest.mark.parametrize("wrapped", [False, True])
def test_adapters_in_float32_over_bfloat16_are_computed_in_bfloat16(folder, wrapped):
    plain, sampler = loaded(folder, dtype="bfloat16", lora_rank=4)
    for one in (plain, sampler):
        torch.manual_seed(2)
        adapters = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
        adapted = get_peft_model(one.model, adapters)
        with torch.no_grad():
            for name, value in adapted.named_parameters():
                if "lora_" in name:
                    value.data = value.data.float()
                    value.normal_(std=0.1)
        one.model = adapted if wrapped else adapted.get_base_model()
    sampler.seed(4)
    off = []
    for done in sampler.complete(ASKS * 4, 1.0):
        whole = torch.tensor([list(done.prompt_ids + done.completion_ids)])
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            logits = plain.model(whole).logits[0, len(done.prompt_ids) - 1 : -1].float()
        logps = logits.log_softmax(-1).gather(-1, torch.tensor(done.completion_ids)[:, None])
        off += (logps[:, 0] - torch.tensor(done.logprobs)).abs().tolist()
    assert sum(off) / len(off) < 0.02
    assert "forward" not in vars(sampler.model)


def test_within_packed_attention_it_has_the_models_own_and_gives_the_packed_one_back(folder):
    plain, sampler = loaded(folder)
    with shared_attention(sampler.model):
        within = sampler.model.config._attn_implementation
        said = sampler.complete(ASKS, 0.0)
        assert sampler.model.config._attn_implementation == within
    assert spoken(said) == spoken(plain.complete(ASKS, 0.0))


def test_a_failure_is_told_in_one_line_and_leaves_the_model_as_it_was(folder):
    plain, sampler = loaded(folder)
    threads = threading.active_count()
    beyond = [[len(sampler.tokenizer) + 5]]
    with pytest.raises(PolicyError, match="continuous batching failed: .*policy.engine"):
        decode_continuous(sampler.model, beyond, [3], 0.0, (), 4, 100)
    assert threading.active_count() == threads
    assert spoken(sampler.complete(ASKS, 0.0)) == spoken(plain.complete(ASKS, 0.0))


def test_who_is_interrupted_while_waiting_leaves_no_thread(folder):
    class Enough(Exception):
        pass

    def raise_it(*_):
        raise Enough

    _, sampler = loaded(folder)
    threads = threading.active_count()
    before = signal.signal(signal.SIGALRM, raise_it)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with pytest.raises(Enough):
            sampler.complete([ask("Memory: a", 4000)] * 8, 1.0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert threading.active_count() == threads
    assert sampler.complete(ASKS[:1], 0.0)


def test_too_little_memory_names_the_setting(folder, monkeypatch):
    _, sampler = loaded(folder)
    monkeypatch.setattr(continuous, "PAGE", 2**40)
    with pytest.raises(PolicyError, match="too little memory: lower policy.batch_tokens"):
        sampler.complete(ASKS, 0.0)


WIDE = {"hidden_size": 32, "num_hidden_layers": 2, "vocab_size": len(make_tokenizer())}
OTHERS = {
    "mistral": (MistralConfig, MistralForCausalLM, SHAPE | {"sliding_window": 6}, True),
    "gpt2": (GPT2Config, GPT2LMHeadModel, {"n_embd": 32, "n_layer": 2, "n_head": 2}, True),
    "mamba": (MambaConfig, MambaForCausalLM, WIDE, False),
    "lfm2": (Lfm2Config, Lfm2ForCausalLM, SHAPE | {"layer_types": ["conv", "full_attention"]}, False),
}  # fmt: skip


@pytest.mark.parametrize("kind", OTHERS)
def test_a_model_that_the_engine_does_not_fit_is_found_out(kind):
    config, model, shape, fits = OTHERS[kind]
    torch.manual_seed(0)
    made = model(config(**({"vocab_size": len(make_tokenizer())} | shape))).eval()
    with torch.no_grad():
        for value in made.parameters():
            value.mul_(3)
    if fits:
        try_out(made)
        return
    with pytest.raises(
        PolicyError, match="does not fit the model .*policy.engine to 'transformers'"
    ):
        try_out(made)


def save_lfm2(folder):
    config, model, shape, _ = OTHERS["lfm2"]
    tokenizer = make_tokenizer()
    ends = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    model(config(vocab_size=len(tokenizer), **ends, **shape)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_a_run_with_a_model_of_other_layers_is_refused_before_it_is_made(tmp_path, lab):
    model = save_lfm2(tmp_path / "m")
    settings = ["policy=hf", f"policy.model={model}", "policy.engine=continuous"]
    with pytest.raises(ConfigError, match=r"other layers \(conv\): set policy.engine"):
        jobs.begin(lab, load("memagent-tiny", settings))
    assert database.list_runs(lab) == []
    with pytest.raises(PolicyError, match="policy.engine to 'transformers'"):
        HF(model=model, engine="continuous").load()


@pytest.mark.parametrize(
    "settings",
    ["[]", "3", "{", '{"text_config": "x"}', '{"layer_types": 7}', '{"layer_types": "x"}'],
)
def test_settings_that_are_none_are_left_to_who_loads_the_model(settings, tmp_path):
    (tmp_path / "config.json").write_text(settings)
    assert require_pages("m", tmp_path) is None
    (tmp_path / "config.json").write_text('{"text_config": {"layer_types": ["conv", 7]}}')
    with pytest.raises(ConfigError, match=r"other layers \(7, conv\)"):
        require_pages("m", tmp_path)


def test_mixed_precision_is_refused_with_what_to_choose():
    with pytest.raises(ConfigError, match="choose dtype 'float32' or 'bfloat16', or engine"):
        load("memagent-tiny", ["policy=hf", "policy.engine=continuous", "policy.dtype=mixed"])
