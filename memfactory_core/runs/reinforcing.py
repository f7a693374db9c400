"""The training of a run: GRPO from what it starts from, or from its last checkpoint, to the weights it ends with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from memfactory_core.policies.language_model import LanguageModelSampler
from memfactory_core.policies.processor import collecting_seldom, keep_freed_memory
from memfactory_core.policies.roles import RoleSampler
from memfactory_core.runs import database, measuring, recording
from memfactory_core.runs.company import company
from memfactory_core.runs.interrupt import Stopped
from memfactory_core.runs.progress import report_progress, sections_by_step
from memfactory_core.types import Example

if TYPE_CHECKING:
    from memfactory_core.config import RunConfig
    from memfactory_core.runs.worker import Work
    from memfactory_core.training.trainer import MemoryGRPOTrainer

PATIENCE = 24 * 3600
"""Seconds that processes which train together wait for one another: the first may wait for room on the disk."""


def reinforce(
    work: Work,
    sampler: RoleSampler,
    own: LanguageModelSampler,
    weights: Path | None,
    resumed: Path | None,
    examples: list[Example],
) -> None:
    """Trains the run's policy, which was loaded from `weights`; the sampler has the trained model afterwards. Stopped
    where that was asked, after a checkpoint where one process trains alone."""
    work.enter("training")
    work.evaluation_seconds = measuring.expected_seconds(work.folder)
    done = steps_of(resumed)
    recording.forget_episodes(work.engine, work.run.id, "train", after_step=done)
    sections = sections_by_step(examples, work.config.training)
    with company(work, weights, resumed):
        trainer = make_trainer(
            work.config, sampler, examples, work.folder,
            on_episodes=work.keep_training_episodes, callbacks=[report_progress(work, sections)],
        )  # fmt: skip
        seed(trainer, sampler, work.config.seed, resumed)
        keep_freed_memory()
        try:
            with collecting_seldom():
                trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
        except Stopped:
            if trainer.accelerator.num_processes == 1:
                work.announce_saving()
                work.wait_for_room()
                trainer.keep_checkpoint()
                work.seal(trainer.state.global_step)
            raise
        finally:
            trainer.sampler.forget()
        save_policy(work, trainer, work.folder)
        own.model = trainer.accelerator.unwrap_model(trainer.model)


def make_trainer(
    config: RunConfig, sampler: RoleSampler, examples: list[Example], folder: Path, **more: Any
) -> MemoryGRPOTrainer:
    """The trainer of a run, the same in each of its processes."""
    import torch
    from transformers import PrinterCallback

    from memfactory_core.training.arguments import grpo_config
    from memfactory_core.training.trainer import MemoryGRPOTrainer

    args = grpo_config(
        config.training, str(folder / "checkpoints"), config.seed,
        use_cpu=not torch.cuda.is_available(), save_total_limit=None, ddp_timeout=PATIENCE,
        **config.policy.training_arguments(),
    )  # fmt: skip
    own: Any = sampler.own
    trainer = MemoryGRPOTrainer(
        sampler, config.paradigm, examples, config.reward, config.training, args,
        paradigm_at=lambda step: config.form_at(step).paradigm,
        **config.policy.trainer_options(own.model), **more,
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    return trainer


def seed(
    trainer: MemoryGRPOTrainer, sampler: RoleSampler, start: int, resumed: Path | None
) -> None:
    """Lets the sampling begin, or go on where the checkpoint ends."""
    if resumed is None or not trainer.restore_draws(resumed):
        sampler.seed(start + steps_of(resumed))


def steps_of(checkpoint: Path | None) -> int:
    """The steps before a checkpoint; 0 for none."""
    return int(checkpoint.name.split("-")[1]) if checkpoint else 0


def save_policy(work: Work, trainer: Any, folder: Path) -> None:
    """The weights that a trainer ended with, in the folder's `policy`, whole or not at all."""
    part = folder / "policy.part"
    work.update(heartbeat=database.now())
    work.wait_for_room()
    trainer.save_model(str(part))
    # a pickle of the trainer's arguments, with this machine's paths: nobody reads it
    (part / "training_args.bin").unlink(missing_ok=True)
    part.rename(folder / "policy")
