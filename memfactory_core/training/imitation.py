"""Imitation before reinforcement learning: TRL's supervised trainer on demonstrations, loss on completions only.

Each step's demonstrations are drawn beforehand and read in that order, so that a run that is resumed sees the same ones
as one that was not stopped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trl import SFTConfig, SFTTrainer

from memfactory_core.errors import RunError
from memfactory_core.policies.imitation import Imitation
from memfactory_core.policies.language_model import LanguageModelSampler
from memfactory_core.training.arguments import COMMON
from memfactory_core.training.demonstrations import Demonstration, draw_batches

IGNORED = -100
"""The label of tokens that are shown and not learned."""


def imitation_config(settings: Imitation, folder: str, seed: int, **more: Any) -> SFTConfig:
    """TRL's configuration for these settings. RunError where the pieces do not fit."""
    if settings.batch % settings.micro_batches:
        raise RunError(
            f"imitation.micro_batches ({settings.micro_batches}) must divide imitation.batch ({settings.batch})"
        )
    options: dict[str, Any] = {
        "output_dir": folder,
        "seed": seed,
        "per_device_train_batch_size": settings.batch // settings.micro_batches,
        "gradient_accumulation_steps": settings.micro_batches,
        "max_steps": settings.steps,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": max(1, settings.steps // 10),
        "train_sampling_strategy": "sequential",
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "remove_unused_columns": False,
        "max_length": None,
        "save_steps": settings.save_every,
    }
    return SFTConfig(**(COMMON | options | more))


def to_row(one: Demonstration) -> dict[str, list[int]]:
    """A demonstration as TRL's trainer takes it: what is asked carries no loss."""
    asked, said = list(one.prompt_ids), list(one.completion_ids)
    return {"input_ids": asked + said, "labels": [IGNORED] * len(asked) + said}


def make_trainer(
    sampler: LanguageModelSampler,
    demonstrations: Sequence[Demonstration],
    settings: Imitation,
    args: SFTConfig,
    **options: Any,
) -> SFTTrainer:
    """The trainer of a pupil; `options` are TRL's, such as adapters to add."""
    from datasets import Dataset

    drawn = draw_batches(demonstrations, settings.steps, settings.batch, args.seed)
    trainer = SFTTrainer(
        model=sampler.model,
        args=args,
        train_dataset=Dataset.from_list([to_row(one) for one in drawn]),
        processing_class=sampler.tokenizer,
        **options,
    )
    # checks in between ask the model as it learns, adapters included
    sampler.model = trainer.accelerator.unwrap_model(trainer.model)
    return trainer
