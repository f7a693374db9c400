"""TRL's configuration for a run's training settings."""

from __future__ import annotations

from typing import Any

from trl import GRPOConfig

from memfactory_core.policies.reinforcement import Training

COMMON: dict[str, Any] = {
    "save_total_limit": 2, "logging_steps": 1, "report_to": [], "bf16": False, "gradient_checkpointing": False,
    "disable_tqdm": True, "max_grad_norm": 1.0, "adam_beta2": 0.98, "weight_decay": 0.0,
    "dataloader_pin_memory": False, "ddp_find_unused_parameters": False,
}  # fmt: skip
"""What imitation and reinforcement have in common: AdamW, its clipping, and no tracker unless it is wanted."""
SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}


def grpo_config(settings: Training, folder: str, seed: int, **more: Any) -> GRPOConfig:
    """TRL's configuration for these settings: one generation of `groups` x `group_size` episodes per
    optimizer step, in `micro_batches` pieces, by `processes` that have the same share of them."""
    here = settings.groups * settings.group_size // settings.processes
    options: dict[str, Any] = {
        "output_dir": folder,
        "seed": seed,
        "per_device_train_batch_size": here // settings.micro_batches,
        "gradient_accumulation_steps": settings.micro_batches,
        "steps_per_generation": settings.micro_batches,
        "num_generations": settings.group_size,
        "num_iterations": settings.reuse,
        "max_steps": settings.steps,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": SCHEDULES[settings.schedule],
        "warmup_steps": settings.warmup_steps,
        "temperature": settings.temperature,
        "beta": settings.beta,
        "loss_type": settings.loss,
        "epsilon": settings.clip,
        "save_steps": settings.save_every,
        "report_to": list(settings.report_to),
        "shuffle_dataset": False,
        "save_only_model": False,
    }
    return GRPOConfig(**(COMMON | options | more))
