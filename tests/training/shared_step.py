"""One training step whose attempts say the same whichever process plays them, by hand or by a test:

    python -m tests.training.shared_step FOLDER

Each process writes the gradients before the optimizer's step as RANK.pt; who starts them sets RANK and WORLD_SIZE."""

import os
import sys
import zlib
from collections import Counter
from pathlib import Path

import torch
from transformers import TrainerCallback

from memfactory_core.config import load
from memfactory_core.runs.company import meet
from memfactory_core.runs.reinforcing import make_trainer
from memfactory_core.scoring.split import training_examples
from memfactory_core.training.trainer import MemoryGRPOTrainer
from tests.misbehaving import until

SETTINGS = [
    "roles={}", "training.steps=1", "training.groups=4", "training.group_size=3", "training.micro_batches=3",
    "training.entropy=0.1", "training.scale_rewards=batch",
    "policy.matmul=float32",  # rounding depends on how the rows are divided
]  # fmt: skip


class Fixed(MemoryGRPOTrainer):
    """Draws by what is asked, and how often it was asked before."""

    def complete(self, asks, temperature):
        seen, said = Counter(), []
        for ask in asks:
            words = repr(ask.messages)
            self.sampler.seed(zlib.crc32(f"{words} {seen[words]}".encode()))
            seen[words] += 1
            said += super().complete([ask], temperature)
        return said


def main(folder: Path) -> None:
    rank, count = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    torch.set_num_threads(1)
    if count > 1:
        meet(folder.absolute() / "meeting", rank, count)
    config = load("memory-r1-tiny", [*SETTINGS, f"training.processes={count}"])

    class Keep(TrainerCallback):
        def on_pre_optimizer_step(self, args, state, control, **_):
            named = sampler.own.model.named_parameters()
            gradients = {name: value.grad.clone() for name, value in named}
            turns = [len(episode.turns) for episode in mine]
            torch.save({"gradients": gradients, "turns": turns}, folder / f"{rank}.pt")

    mine = []
    sampler = config.load_policies(None, None)
    more = {"callbacks": [Keep()], "on_episodes": lambda step, episodes: mine.extend(episodes)}
    trainer = make_trainer(config, sampler, training_examples(config), folder, **more)
    trainer.__class__ = Fixed
    trainer.train()
    # a connection that one process closes ends another that is still on its way out
    (folder / f"{rank}.done").touch()
    until(lambda: rank > 0 or all((folder / f"{one}.done").exists() for one in range(count)))
    os._exit(0)  # as in company.py


if __name__ == "__main__":
    main(Path(sys.argv[1]))
