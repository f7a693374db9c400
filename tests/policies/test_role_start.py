"""A frozen copy of the start under LoRA is the same model with its adapters switched off, and no second one."""

import pytest
import torch
from peft import LoraConfig, get_peft_model

from memfactory_core.config import load
from memfactory_core.policies.language_model import LanguageModelSampler
from memfactory_core.policies.roles import WithoutAdapters
from tests.policies.test_policies import ask, save_model

ASKS = [ask("Memory: a"), ask("Question: b")]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("start") / "model", "qwen3")


def configured(model, *more):
    return load(
        "memagent-tiny",
        ["policy.kind=hf", f"policy.model={model}", "policy.dtype=float32", "roles.answer=start",
         "paradigm.trains=memory", *more],
    )  # fmt: skip


def add_adapters(sampler):
    """Adapters that change what the model says."""
    adapters = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    adapted = get_peft_model(sampler.model, adapters)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=2.0)
    return adapted


def spoken(sampler):
    return [(c.text, c.completion_ids, c.logprobs) for c in sampler.complete(ASKS, 0.0)]


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_start_answers_without_the_adapters_that_are_trained(model, wrapped):
    sampler = configured(model, "policy.lora_rank=4").load_policies(None, None)
    name, start = sampler.others["answer"]
    assert name == "start" and isinstance(start, WithoutAdapters) and start.own is sampler.own
    before = spoken(sampler.own)
    assert spoken(start) == before
    adapted = add_adapters(sampler.own)
    if wrapped:
        sampler.own.model = adapted
    learning = {n for n, w in adapted.named_parameters() if w.requires_grad}
    trained = spoken(sampler.own)
    assert trained != before and spoken(start) == before and spoken(sampler.own) == trained
    assert {n for n, w in adapted.named_parameters() if w.requires_grad} == learning


def test_trained_adapters_are_evaluated_beside_the_start_that_lies_under_them(model, tmp_path):
    config = configured(model, "policy.lora_rank=4")
    first = config.load_policies(None, None)
    before = spoken(first.own)
    add_adapters(first.own).save_pretrained(tmp_path)
    sampler = config.load_policies(tmp_path, None)
    start = sampler.others["answer"][1]
    assert isinstance(start, WithoutAdapters)
    assert spoken(start) == before != spoken(sampler.own)


def test_whole_models_and_earlier_adapters_have_a_copy(model, tmp_path):
    whole = configured(model).load_policies(None, None).others["answer"][1]
    assert isinstance(whole, LanguageModelSampler)
    config = configured(model, "policy.lora_rank=4")
    sampler = config.load_policies(None, None)
    add_adapters(sampler.own).save_pretrained(tmp_path)
    again = config.load_policies(tmp_path, tmp_path)
    kept = again.others["answer"][1]
    assert isinstance(kept, LanguageModelSampler) and kept is not again.own
    assert spoken(kept) == spoken(again.own)
