"""The training of a run: GRPO from what it starts from, or from its last checkpoint, to the weights it ends with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from memfactory_core.policies.language_model import LanguageModelSampler
from memfactory_core.policies.roles import RoleSampler
from memfactory_core.runs import database, measuring, recording
from memfactory_core.runs.interrupt import Stopped
from memfactory_core.runs.progress import report_progress
from memfactory_core.types import Example

if TYPE_CHECKING:
    from memfactory_core.runs.worker import Work


def reinforce(
    work: Work,
    sampler: RoleSampler,
    own: LanguageModelSampler,
    resumed: Path | None,
    examples: list[Example],
) -> None:
    """Trains the run's policy; the sampler has the trained model afterwards. Stopped where that was asked, after a
    checkpoint."""
    work.enter("training")
    work.evaluation_seconds = measuring.expected_seconds(work.folder)
    import torch
    from transformers import PrinterCallback

    from memfactory_core.training.arguments import grpo_config
    from memfactory_core.training.trainer import MemoryGRPOTrainer

    config, settings = work.config, work.config.training
    done = int(resumed.name.split("-")[1]) if resumed else 0
    recording.forget_episodes(work.engine, work.run.id, "train", after_step=done)
    args = grpo_config(
        settings, str(work.folder / "checkpoints"), config.seed,
        use_cpu=not torch.cuda.is_available(), save_total_limit=None, **config.policy.training_arguments(),
    )  # fmt: skip
    trainer = MemoryGRPOTrainer(
        sampler, config.paradigm, examples, config.reward, settings, args,
        on_episodes=work.keep_training_episodes,
        callbacks=[report_progress(work)], **config.policy.trainer_options(own.model),
    )  # fmt: skip
    if resumed is None or not trainer.restore_draws(resumed):
        sampler.seed(config.seed + done)
    trainer.remove_callback(PrinterCallback)
    try:
        trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    except Stopped:
        work.announce_saving()
        work.wait_for_room()
        trainer.keep_checkpoint()
        work.seal(trainer.state.global_step)
        raise
    save_policy(work, trainer, work.folder)
    own.model = trainer.accelerator.unwrap_model(trainer.model)


def save_policy(work: Work, trainer: Any, folder: Path) -> None:
    """The weights that a trainer ended with, in the folder's `policy`, whole or not at all."""
    part = folder / "policy.part"
    work.update(heartbeat=database.now())
    work.wait_for_room()
    trainer.save_model(str(part))
    # a pickle of the trainer's arguments, with this machine's paths: nobody reads it
    (part / "training_args.bin").unlink(missing_ok=True)
    part.rename(folder / "policy")
