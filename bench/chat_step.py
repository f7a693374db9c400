"""Processor seconds of one training step of a chat model, by phase: `python -m bench.chat_step MODEL [--set a.b=c]`.

MemAgent on two sections and a question: 4 groups x 8 attempts x 3 turns of at most 32 new tokens, LoRA of rank 16.
Attempts earn 0 and 1 in turn, so that every row has a gradient whatever the model says. Run it from two checkouts in
turn (PYTHONPATH) to compare them, with OMP_NUM_THREADS=1: then other work on the machine counts for little.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from typing import Any

# before torch is imported
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch  # noqa: E402

from memfactory_core.config import load  # noqa: E402
from memfactory_core.training.arguments import grpo_config  # noqa: E402
from memfactory_core.training.trainer import MemoryGRPOTrainer  # noqa: E402

SETTINGS = [
    "policy.kind=hf", "policy.lora_rank=16", "policy.dtype=bfloat16", "task.chunks=2", "task.facts_per_chunk=3",
    "paradigm.updater.max_tokens=32", "paradigm.answer_tokens=32", "paradigm.store.budget=80",
    "training.groups=4", "training.group_size=8", "training.temperature=0.7", "training.learning_rate=3e-4",
    "training.micro_batches=8", "training.warmup_steps=0", "training.schedule=constant", "training.stages=[]",
]  # fmt: skip


class Timed(MemoryGRPOTrainer):
    """Notes the seconds of each phase, and what was generated and learned from."""

    def begin(self) -> None:
        """Forgets what was noted."""
        self.seconds: list[dict[str, float]] = []
        self.now: dict[str, float] = {}

    def _check_groups(self, episodes):
        for index, one in enumerate(episodes):
            episodes[index] = one.model_copy(update={"reward": float(index % 2)})

    def complete(self, asks, temperature):
        """The trainer's, timed."""
        return self._time("sampling", super().complete, asks, temperature)

    def _add_log_probs(self, batch, *rest):
        self.now["rows"] = int(batch["rows_in_step"])
        self.now["tokens"] = int(batch["prompt_mask"].sum() + batch["completion_mask"].sum())
        self.now["new_tokens"] = int(batch["completion_mask"].sum())
        return self._time("old_log_probs", super()._add_log_probs, batch, *rest)

    def _generate_and_score_completions(self, inputs):
        return self._time("episodes", super()._generate_and_score_completions, inputs)

    def training_step(self, *inputs):
        """The trainer's, timed."""
        return self._time("training_step", super().training_step, *inputs)

    def _time(self, phase, call, *inputs):
        began = time.process_time()
        result = call(*inputs)
        self.now[phase] = self.now.get(phase, 0.0) + time.process_time() - began
        return result


def measure(model: str, steps: int, warm: int, settings: list[str]) -> dict[str, object]:
    """Medians over `steps` steps after `warm` others."""
    from transformers import TrainerCallback

    class Split(TrainerCallback):
        def on_step_begin(self, args, state, control, **_):
            self.began = time.process_time()

        def on_step_end(self, args, state, control, **_):
            trainer.now["step"] = time.process_time() - self.began
            trainer.seconds.append(trainer.now)
            trainer.now = {}

    config = load(
        "memagent-tiny",
        [*SETTINGS, f"policy.model={model}", f"training.steps={steps + warm}", *settings],
    )
    policy = config.policy
    sampler: Any = policy.load()
    sampler.seed(0)
    with tempfile.TemporaryDirectory() as folder:
        args = grpo_config(
            config.training, folder, 0, use_cpu=not torch.cuda.is_available(), save_strategy="no",
            **policy.training_arguments(),
        )  # fmt: skip
        trainer = Timed(
            sampler, config.paradigm, config.task.examples(config.training.groups * (steps + warm), 0), config.reward,
            config.training, args, callbacks=[Split()], **policy.trainer_options(sampler.model),
        )  # fmt: skip
        trainer.begin()
        trainer.train()
    counted = trainer.seconds[warm:]
    medians = {key: statistics.median(one[key] for one in counted) for key in counted[0]}
    rounded = {key: round(value, 3) for key, value in medians.items()}
    # TRL makes the episodes inside of its first training step
    learning = medians["training_step"] - medians["episodes"]
    return rounded | {
        "forward_backward": round(learning, 3),
        "rest": round(
            medians["step"] - medians["sampling"] - medians["old_log_probs"] - learning, 3
        ),
        "threads": torch.get_num_threads(),
        "peak_MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "loss": [round(log["loss"], 6) for log in trainer.state.log_history if "loss" in log],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a folder or a hub name")
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--warm", type=int, default=1, help="steps before those that count")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    options = parser.parse_args()
    print(json.dumps(measure(options.model, options.steps, options.warm, options.settings)))
