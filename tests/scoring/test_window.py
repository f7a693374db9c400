"""A run whose prompts would not fit into its model's window is refused before it asks anything."""

import pytest

from memfactory_core.config import load
from memfactory_core.errors import ConfigError
from memfactory_core.policies.roles import RoleSampler, WithoutAdapters
from memfactory_core.scoring.window import SHARES, require_window
from tests.policies.test_policies import save_model


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    model = save_model(tmp_path_factory.mktemp("window") / "model", "qwen3")
    return load(
        "memagent-tiny", ["policy.kind=hf", f"policy.model={model}", "policy.dtype=float32"]
    )


def reading(config, window):
    sampler = config.policy.load()
    sampler.model.config.max_position_embeddings = window
    return RoleSampler(sampler, {})


def test_a_prompt_and_its_answer_must_fit(config):
    examples = config.task.examples(2, 0)
    sampler = reading(config, 8192)
    asked = []
    encode = sampler.own.encode
    sampler.own.encode = lambda messages: asked.append(encode(messages)) or asked[-1]
    require_window(config.paradigm, sampler, examples)
    turns = len(examples[0].observations) + 1
    assert len(asked) == turns * len(SHARES)
    plays = [asked[start : start + turns] for start in range(0, len(asked), turns)]
    memories = [len(ids) for play in plays for ids in play[:-1]]
    # a memory that has room is in the next prompt
    assert max(memories) > len(plays[0][0])
    answers = [len(play[-1]) + config.paradigm.answer_tokens for play in plays]
    needed = max(max(memories) + config.paradigm.updater.max_tokens, *answers)
    require_window(config.paradigm, reading(config, needed), examples)
    with pytest.raises(ConfigError, match=rf"role '\w+': a prompt of .* the {needed - 1:,} tokens"):
        require_window(config.paradigm, reading(config, needed - 1), examples)


def test_the_start_that_answers_for_a_role_has_the_models_window(config):
    sampler = reading(config, 100)
    roles = RoleSampler(config.policy.load(), {"answer": ("start", WithoutAdapters(sampler.own))})
    with pytest.raises(ConfigError, match="role 'answer'"):
        require_window(config.paradigm, roles, config.task.examples(1, 0))


def test_policies_without_a_window_are_not_asked():
    config = load("memagent-tiny", [])
    require_window(
        config.paradigm, RoleSampler(config.policy.load(), {}), config.task.examples(1, 0)
    )
    require_window(config.paradigm, RoleSampler(config.policy.load(), {}), [])
