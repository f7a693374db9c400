"""Two evaluations with one seed are equal, bit by bit, whoever answers (an endpoint's draws excepted)."""

import pytest

from memfactory_core.config import load
from memfactory_core.policies.roles import RoleSampler
from memfactory_core.scoring.evaluate import evaluate
from tests.policies.test_policies import save_model

SHORT = ["paradigm.updater.max_tokens=24", "paradigm.answer_tokens=6"]
POLICIES = {
    "tiny": ["policy.kind=tiny"],
    "tiny, not cut": ["policy.kind=tiny", "policy.min_p=0"],
    "tiny, answers frozen": ["roles.answer=start", "paradigm.trains=memory"],
    "hf": ["policy.kind=hf", "policy.dtype=float32"],
    "hf with LoRA": ["policy.kind=hf", "policy.dtype=float32", "policy.lora_rank=4"],
    "scripted": ["mode=evaluate", "policy.kind=scripted", "policy.strategy=random"],
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("evaluate") / "model", "qwen3")


def measure(config, sampler, seed):
    """The summary, and all that was said and done."""
    done = []
    summary = evaluate(
        config.paradigm, sampler, config.task.examples(6, 5), config.reward, 3,
        lambda mode, episodes: done.extend(episodes), seed=seed,
    )  # fmt: skip
    return summary, [episode.model_dump(exclude={"id"}) for episode in done]


@pytest.mark.parametrize("name", POLICIES)
def test_an_evaluation_can_be_repeated(model, name):
    settings = POLICIES[name]
    settings = [*settings, f"policy.model={model}"] if "hf" in name else settings
    config = load("memagent-tiny", [*SHORT, *settings])
    one = config.load_policies(None, None)
    assert isinstance(one, RoleSampler)
    first = measure(config, one, seed=7)
    again = measure(config, one, seed=7)  # its generator has moved on
    other = measure(config, config.load_policies(None, None), seed=7)
    assert first == again == other
    said = [[t["completion"]["text"] for t in e["turns"]] for e in first[1]]
    assert said != [
        [t["completion"]["text"] for t in e["turns"]] for e in measure(config, one, seed=8)[1]
    ], "another seed draws something else"


def test_the_greedy_attempts_do_not_shift_the_sampled_ones():
    config = load("memagent-tiny", SHORT)
    sampler = config.load_policies(None, None)
    few = evaluate(config.paradigm, sampler, config.task.examples(4, 5), config.reward, 2, seed=3)
    sampler.seed(99)
    sampler.own.generate([[1, 2, 3]], 4, 1.0)
    same = evaluate(config.paradigm, sampler, config.task.examples(4, 5), config.reward, 2, seed=3)
    assert few == same
