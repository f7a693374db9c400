"""Which examples are learned from and which are held out. Generated tasks keep them apart by names and seeds;
a file that serves both is split here, by what is read: all questions about one text are on one side. The
split depends on the file's content and the share alone, so that it is the same before and after training
and in every later evaluation of the trained weights."""

from __future__ import annotations

import hashlib

from memfactory_core.config import RunConfig
from memfactory_core.errors import ConfigError
from memfactory_core.tasks.data_file import take
from memfactory_core.types import Example

ALL = 2**62
"""More examples than any file holds."""


def training_examples(config: RunConfig) -> list[Example]:
    """The examples that a run learns from, at most as many as its steps use. ConfigError where there
    are none."""
    count = config.training.steps * config.training.groups
    if _shares_a_file(config, config):
        learned, _ = split(config.task.examples(ALL, config.seed, "train"), config)
        examples = take(learned, count, config.seed)
    else:
        examples = config.task.examples(count, config.seed, "train")
    if not examples:
        raise ConfigError("the training task has no examples")
    return examples


def held_out_examples(config: RunConfig, trained: RunConfig | None = None) -> list[Example]:
    """The examples that a run is measured on; `trained` is the configuration of the run whose weights are
    evaluated, where there is one: what it learned from is left out. ConfigError where there are none."""
    settings = config.evaluation
    source = config if config.mode == "train" else trained
    if source and _shares_a_file(config, source):
        _, held = split(config.held_out.examples(ALL, settings.seed, "heldout"), source)
        examples = take(held, settings.examples, settings.seed)
    else:
        examples = config.held_out.examples(settings.examples, settings.seed, "heldout")
    if not examples:
        raise ConfigError("the evaluation task has no examples")
    return examples


def split(examples: list[Example], config: RunConfig) -> tuple[list[Example], list[Example]]:
    """Examples to learn from and held-out ones, `evaluation.share` of the texts that are read, at least one.
    ConfigError where all examples read the same text."""
    texts = {example.observations: _rank(example) for example in examples}
    if len(texts) < 2:
        raise ConfigError(
            f"{', '.join(config.task.files())}: all {len(examples)} examples read the same text, so none can "
            "be held out; set evaluation.task to a file of its own, or its conversations where it is LoCoMo"
        )
    count = min(len(texts) - 1, max(1, round(config.evaluation.share * len(texts))))
    held = set(sorted(texts, key=texts.__getitem__)[:count])
    return (
        [example for example in examples if example.observations not in held],
        [example for example in examples if example.observations in held],
    )


def _shares_a_file(config: RunConfig, trained: RunConfig) -> bool:
    """Whether what is evaluated here is read from the file that was learned from."""
    if trained.mode != "train" or config.evaluation.task or trained.evaluation.task:
        return False
    return bool(set(trained.task.files()) & set(config.held_out.files()))


def _rank(example: Example) -> str:
    return hashlib.sha256("\n".join(example.observations).encode()).hexdigest()
