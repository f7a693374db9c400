"""One episode of a configuration played for a look before a run is started: the policy as it would begin."""

from __future__ import annotations

from memfactory_core.config import RunConfig
from memfactory_core.episode import run_episodes
from memfactory_core.errors import ConfigError
from memfactory_core.policies.roles import RoleSampler
from memfactory_core.rewards import score_all
from memfactory_core.trace import Episode

PLAYED = ("train", "imitate", "evaluate")
"""The modes in which episodes are played."""


def rehearse(config: RunConfig, sampler: RoleSampler, seed: int) -> Episode:
    """One scored episode of the task that is trained on, or measured where nothing is trained, sampled as a training
    samples; `seed` draws example and words. ConfigError where the task has no example or the mode plays none, RunError
    where a part failed."""
    if config.mode not in PLAYED:
        raise ConfigError(f"mode {config.mode!r} plays no episodes: it compares retrievers")
    train = config.mode == "train"
    if config.mode != "evaluate":
        examples = config.task.examples(1, seed, "train")
    else:
        examples = config.held_out.examples(1, seed, "heldout")
    if not examples:
        raise ConfigError("the task has no examples")
    sampler.seed(seed)
    temperature = config.training.temperature if train else 0.0
    played = run_episodes(config.paradigm, sampler, examples[:1], temperature)
    return score_all(sampler.judge.judge(played) if sampler.judge else played, config.reward)[0]
