"""What a run's trainer tells while it trains: steps, curves, checkpoints that are whole."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memfactory_core.runs.worker import Work


def report_progress(work: Work) -> Any:
    """A trainer callback that writes curves and progress, and stops where it was asked."""
    from transformers import TrainerCallback

    class Progress(TrainerCallback):
        first_step = 0
        began = 0.0

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.first_step, self.began = state.global_step, time.monotonic()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if control.should_save:
                work.wait_for_room()
            done = state.global_step - self.first_step
            work.keep_progress(state.global_step, done, time.monotonic() - self.began)

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            work.seal(state.global_step)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            # what is logged once more when a training ends sums up this process alone: resumed for its last save, it
            # would write a loss of 0 over the run's
            if logs and "train_runtime" not in logs:
                work.keep_metrics(state.global_step, logs)

    return Progress()
