"""What a run's trainer tells while it trains: steps, curves, checkpoints that are whole."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from memfactory_core.policies.reinforcement import Training
from memfactory_core.types import Example

if TYPE_CHECKING:
    from memfactory_core.runs.worker import Work


def sections_by_step(examples: Sequence[Example], settings: Training) -> list[int]:
    """How much each step of a training reads: the sections of its examples, each answer as one more. `examples` are
    in the order of their use."""
    sizes = [len(example.observations) + 1 for example in examples]
    batches = [
        sum(sizes[start : start + settings.groups])
        for start in range(0, len(sizes), settings.groups)
    ]
    return [batches[step // settings.reuse] for step in range(settings.steps)]


def report_progress(work: Work, sections: Sequence[int]) -> Any:
    """A trainer callback that writes curves and progress, and stops where it was asked; `sections` are those that each
    step reads: steps of an easier stage are short, and so say little of how long the others take."""
    from transformers import TrainerCallback

    class Progress(TrainerCallback):
        first_step = 0
        began = 0.0

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.first_step, self.began = state.global_step, time.monotonic()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if control.should_save:
                work.wait_for_room()
            step, seconds = state.global_step, time.monotonic() - self.began
            read, left = sum(sections[self.first_step : step]), sum(sections[step:])
            work.keep_progress(step, step - self.first_step, seconds * left / max(read, 1))

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            work.seal(state.global_step)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            # what is logged once more when a training ends sums up this process alone: resumed for its last save, it
            # would write a loss of 0 over the run's
            if logs and "train_runtime" not in logs:
                work.keep_metrics(state.global_step, logs)

    return Progress()
