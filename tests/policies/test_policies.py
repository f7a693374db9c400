"""Policies: any transformers model whole or with LoRA, an OpenAI-compatible endpoint, the trained weights."""

import platform
import subprocess
import sys

import pytest
import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from memfactory_core.config import load
from memfactory_core.dialects.chat import Chat
from memfactory_core.dialects.quoted import Quoted
from memfactory_core.dialects.thinking import set_apart
from memfactory_core.episode import Ask
from memfactory_core.errors import PolicyError
from memfactory_core.policies import processor
from memfactory_core.policies.api import Api
from memfactory_core.policies.hf import HF
from memfactory_core.policies.scripted import Scripted
from memfactory_core.policies.tiny import Tiny
from memfactory_core.tiny.tokenizer import make_tokenizer
from memfactory_core.training.arguments import grpo_config
from memfactory_core.training.trainer import MemoryGRPOTrainer
from memfactory_core.types import Example
from tests.endpoint import says, serving

EXAMPLE = Example(id="e", observations=("o",), question="q", answers=("a",))
SHAPE = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 8192,
}  # fmt: skip


def ask(content, max_tokens=4):
    messages = ({"role": "system", "content": "s"}, {"role": "user", "content": content})
    return Ask("answer", messages, max_tokens, True, {}, EXAMPLE)


def save_model(folder, kind):
    config, model = {
        "qwen3": (Qwen3Config, Qwen3ForCausalLM),
        "llama": (LlamaConfig, LlamaForCausalLM),
    }[kind]
    tokenizer = make_tokenizer()
    torch.manual_seed(0)
    special = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    made = model(
        config(vocab_size=len(tokenizer), bos_token_id=tokenizer.bos_token_id, **special, **SHAPE)
    )
    made.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_any_causal_model_answers_with_its_own_ids(tmp_path, kind):
    sampler = HF(model=save_model(tmp_path, kind), batch_size=2).load()
    asks = [ask("Memory: a"), ask("Memory: a longer one"), ask("b", 2)]
    greedy = sampler.complete(asks, 0.0)
    assert greedy == sampler.complete(asks, 0.0)
    for question, done in zip(asks, greedy, strict=True):
        assert len(done.completion_ids) == len(done.logprobs) <= question.max_tokens
        alone = torch.tensor([list(done.prompt_ids + done.completion_ids)])
        logits = sampler.model(alone).logits[0, len(done.prompt_ids) - 1 : -1]
        logps = logits.log_softmax(-1).gather(-1, torch.tensor(done.completion_ids)[:, None])
        torch.testing.assert_close(logps[:, 0], torch.tensor(done.logprobs), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("share", [True, False])
def test_a_causal_model_is_heard_token_by_token(tmp_path, share):
    sampler = HF(model=save_model(tmp_path, "qwen3"), share_prompts=share).load()
    asked, heard = ask("Memory: a", 6), []
    (whole,) = sampler.complete([asked], 0.0)

    def hear(text):
        heard.append(text)
        return len(heard) < 3

    assert sampler.stream(asked, 0.0, lambda text: True) == whole
    begun = sampler.stream(asked, 0.0, hear)
    assert len(heard) == 3 and begun.completion_ids == whole.completion_ids[:3]
    assert begun.text == heard[-1] and begun.finish_reason == "length"


GEMMA = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}{{ '<' + m['role'] + '>' + m['content'] }}{% endfor %}"
)
SILENT = (
    "{% for m in messages %}{% if m['role'] == 'user' %}{{ m['content'] }}{% endif %}{% endfor %}"
)
KNOWING = "{% for m in messages %}{{ m['role'] + ':' + m['content'] + ' ' }}{% endfor %}"
REFUSING = "{{ raise_exception('no, never') }}"
OPENING = "{% for m in messages %}{{ m['content'] }}{% endfor %}<think>\n"


def templated(folder, template):
    sampler = HF(model=save_model(folder, "qwen3")).load()
    sampler.tokenizer.chat_template = template
    return sampler


@pytest.mark.parametrize(
    ("template", "prompt"),
    [(GEMMA, "<user>s\n\nMemory: a"), (SILENT, "s\n\nMemory: a"), (KNOWING, "system:s user:Memory: a ")],
)  # fmt: skip
def test_the_system_text_is_folded_where_a_template_knows_no_system_role(
    tmp_path, template, prompt
):
    sampler = templated(tmp_path, template)
    assert sampler.tokenizer.decode(sampler.encode(ask("Memory: a").messages)) == prompt


def test_the_tiny_policys_prompt_has_no_system_text():
    sampler = Tiny().load()
    prompt = sampler.tokenizer.decode(sampler.encode(ask("Memory: a").messages))
    assert prompt == "<bos>Memory: a<sep>"


def test_a_template_that_refuses_is_named_in_one_line(tmp_path):
    with pytest.raises(
        PolicyError, match=r"chat template of .* refuses the messages \(user\): no, never"
    ) as error:
        templated(tmp_path, REFUSING).complete([ask("x")], 0.0)
    assert "\n" not in str(error.value)


def test_thinking_that_the_template_opened_and_nothing_closed_is_no_text(tmp_path):
    sampler = templated(tmp_path, OPENING)
    (done,) = sampler.complete([ask("Memory: a")], 0.0)
    assert done.text.startswith("<think>") and len(done.completion_ids) == 4
    apart = set_apart(done)
    assert apart.text == "" and apart.thinking
    assert apart.completion_ids == done.completion_ids


def test_each_policy_names_the_dialect_it_is_read_in(tmp_path):
    assert isinstance(HF(model=save_model(tmp_path, "qwen3")).load().dialect, Chat)
    assert isinstance(Api().load().dialect, Chat)
    assert isinstance(Api(dialect="quoted").load().dialect, Quoted)
    assert isinstance(Tiny().load().dialect, Quoted)
    assert isinstance(Scripted().dialect, Quoted)


def test_a_models_own_generation_settings_do_not_cut_what_is_recorded(tmp_path):
    """Qwen's cut the distribution (top-k, top-p) and punish repetition; recorded log-probs are of the plain
    softmax, so that is what must be drawn from."""
    sampler = HF(model=save_model(tmp_path, "qwen3"), dtype="float32").load()
    asks = [ask("Memory: a", 12)] * 40
    sampler.seed(0)
    plain = sampler.complete(asks, 1.0), sampler.complete(asks[:1], 0.0)
    own = sampler.model.generation_config
    own.top_k, own.top_p, own.min_p, own.typical_p = 1, 0.1, 0.9, 0.1
    own.epsilon_cutoff, own.eta_cutoff = 0.5, 0.5
    own.repetition_penalty, own.no_repeat_ngram_size = 9.0, 1
    sampler.seed(0)
    assert (sampler.complete(asks, 1.0), sampler.complete(asks[:1], 0.0)) == plain
    assert len({done.completion_ids[0] for done in plain[0]}) > 10, "top-k 1 would leave one"


class Rewarded(MemoryGRPOTrainer):
    """Fixed rewards, so that an untrained model has a gradient."""

    def _check_groups(self, episodes):
        for index, one in enumerate(episodes):
            episodes[index] = one.model_copy(update={"reward": float(index % 2)})


def train_a_step(policy, folder, *more):
    config = load(
        "memagent-tiny",
        [*more, "paradigm.updater.max_tokens=4", "paradigm.answer_tokens=2", "training.groups=1",
         "training.group_size=2", "training.steps=1", "training.warmup_steps=0"],
    )  # fmt: skip
    sampler = policy.load()
    arguments = grpo_config(
        config.training,
        str(folder),
        0,
        use_cpu=True,
        save_strategy="no",
        **policy.training_arguments(),
    )
    before = {name: value.clone() for name, value in sampler.model.state_dict().items()}
    trainer = Rewarded(
        sampler, config.paradigm, config.task.examples(1, 0), config.reward, config.training, arguments,
        **policy.trainer_options(sampler.model),
    )  # fmt: skip
    trainer.train()
    return trainer, before


def test_full_fine_tuning_changes_every_weight(tmp_path):
    policy = HF(model=save_model(tmp_path / "m", "qwen3"), dtype="float32")
    trainer, before = train_a_step(policy, tmp_path / "out")
    after = trainer.model.state_dict()
    assert all(not torch.equal(after[name], value) for name, value in before.items())


def test_small_steps_on_whole_models_need_float32_weights(tmp_path):
    """Most bfloat16 weights do not notice a step of 1e-6; `mixed` keeps float32 and computes in bfloat16.
    Weights of words that do not occur have no gradient in either."""
    model, changed = save_model(tmp_path / "m", "qwen3"), {}
    for dtype in ("mixed", "bfloat16"):
        policy = HF(model=model, dtype=dtype)
        trainer, before = train_a_step(policy, tmp_path / dtype, "training.learning_rate=1e-6")
        assert trainer.args.bf16 is True
        after = trainer.model.state_dict()
        pairs = [(after[name], value) for name, value in before.items()]
        changed[dtype] = sum(int((a != b).sum()) for a, b in pairs) / sum(
            b.numel() for _, b in pairs
        )
    assert changed["mixed"] > 0.5 > 0.1 > changed["bfloat16"]


def test_lora_changes_the_adapters_and_nothing_else_and_is_loaded_again(tmp_path):
    policy = HF(model=save_model(tmp_path / "m", "qwen3"), dtype="float32", lora_rank=4)
    trainer, before = train_a_step(policy, tmp_path / "out")
    after = trainer.model.state_dict()
    adapters = [name for name in after if "lora_B" in name]
    assert adapters and any(after[name].abs().sum() > 0 for name in adapters)
    base = {
        name.removeprefix("base_model.model.").replace(".base_layer", ""): value
        for name, value in after.items()
        if "lora_" not in name
    }
    assert set(base) == set(before)
    assert all(torch.equal(base[name], value) for name, value in before.items())
    trainer.save_model(str(tmp_path / "policy"))
    again = policy.load(tmp_path / "policy").model.state_dict()
    assert all(torch.equal(again[name], after[name]) for name in adapters)


def test_missing_models_and_weights_are_named(tmp_path):
    with pytest.raises(PolicyError, match="cannot load the model"):
        HF(model=str(tmp_path / "nothing")).load()
    with pytest.raises(PolicyError, match="no weights in .*model.safetensors is missing"):
        Tiny().load(tmp_path)


def echo(body, key):
    """Repeats the last message, or fails on demand."""
    said = body["messages"][-1]["content"]
    if said == "break":
        return 500, {}
    return (200, {}) if said == "odd" else says(f"{body['model']}|{said}|{key}", "length")


@pytest.fixture
def endpoint():
    with serving(echo) as url:
        yield url


def test_an_endpoint_is_asked_in_its_protocol(endpoint, monkeypatch):
    monkeypatch.setenv("TEST_KEY", "k")
    monkeypatch.setenv("MEMFACTORY_KEY_HOSTS", "TEST_KEY=localhost")
    sampler = Api(url=endpoint, model="m", key_variable="TEST_KEY").load()
    done = sampler.complete([ask("one"), ask("two")], 0.0)
    assert [c.text for c in done] == ["m|one|Bearer k", "m|two|Bearer k"]
    assert done[0].finish_reason == "length" and done[0].completion_ids is None


@pytest.mark.parametrize(
    ("content", "message"), [("break", "answered 500"), ("odd", "did not answer as")]
)
def test_an_endpoint_that_fails_is_named(endpoint, content, message):
    with pytest.raises(PolicyError, match=message):
        Api(url=endpoint).load().complete([ask(content)], 0.0)


def test_nobody_listening_is_named():
    with pytest.raises(PolicyError, match="did not answer as a chat endpoint"):
        Api(url="http://127.0.0.1:9/v1", timeout=2).load().complete([ask("x")], 0.0)


def test_threads_grow_again_when_cores_become_free(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(processor, "_most_threads", lambda: 4)
    monkeypatch.setattr(processor.os, "sched_getaffinity", lambda _: {1, 2, 3, 6}, raising=False)
    loads = [100.0] * 8
    monkeypatch.setattr("psutil.cpu_percent", lambda interval, percpu: loads)
    before = torch.get_num_threads()
    try:
        processor.use_threads(0)
        assert torch.get_num_threads() == 1
        for core in (1, 2, 3):
            loads[core] = 0.0
        processor.use_threads(0)  # cores that are not its own stay busy
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


FAULTS = """
import ctypes, resource
from memfactory_core.policies.processor import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        blocks = [ctypes.create_string_buffer(20 * 2**20) for _ in range(10)]  # written to as it is made
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

first = faults()
keep_freed_memory()
faults()
print(first, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="not the C library that it is for")
def test_freed_memory_is_kept():
    said = subprocess.run(
        [sys.executable, "-c", FAULTS], check=True, capture_output=True, text=True
    )
    before, after = map(int, said.stdout.split())
    assert after < before / 10
