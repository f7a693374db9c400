"""The small published model as a policy: its chat template, its own ids, an answer in English."""

import pytest

from memfactory_core.episode import Ask
from memfactory_core.policies.hf import HF
from memfactory_core.types import Example

EXAMPLE = Example(id="e", observations=("o",), question="q", answers=("a",))


@pytest.mark.models
def test_smollm2_answers_in_english(fetched):
    sampler = HF(model=fetched("smollm2-135m"), dtype="bfloat16").load()
    messages = ({"role": "user", "content": "Complete: The capital of France is"},)
    (said,) = sampler.complete([Ask("answer", messages, 12, True, {}, EXAMPLE)], 0.0)
    assert "Paris" in said.text and said.finish_reason == "stop"
    assert sampler.tokenizer.decode(said.prompt_ids).endswith("<|im_start|>assistant\n")
