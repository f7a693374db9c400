"""The settings of imitation: a model that cannot yet speak the form of a role learns it from demonstrations before it
is trained. Their teacher knows the form and chooses by chance, so that what training adds is the choice."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from memfactory_core.component import Settings


class Imitation(Settings):
    """Supervised fine-tuning on demonstrations before GRPO, for models that cannot speak the form yet."""

    steps: int = Field(0, ge=0, le=100_000)
    """Optimizer steps on demonstrations; 0 means no imitation. Few are enough for the form: a model that was taught
    long to choose by chance needs long to learn choosing."""
    examples: int = Field(200, ge=1, le=1_000_000)
    """Training examples that the teacher plays; each of its turns is a demonstration."""
    unknown: float = Field(0.2, ge=0, le=1)
    """The largest share of demonstrated answers that say it is not known. A teacher that keeps by chance has mostly not
    kept what is asked, and a pupil that hears this too often says nothing else."""
    idle: float = Field(1, ge=0, le=1)
    """The largest share of demonstrated operations that do nothing (NOOP). NOOP is said alike every time, so that a
    pupil whose teacher chooses by chance comes to say it nearly always, and then the attempts of a group earn the same.
    """
    batch: int = Field(16, ge=1, le=4096)
    """Demonstrations in each step."""
    micro_batches: int = Field(1, ge=1, le=1024)
    """Pieces in which a step's demonstrations pass through the model; must divide the batch. More need less memory."""
    learning_rate: float = Field(3e-4, gt=0, le=1)
    """Step size of AdamW, rising over a tenth of the steps and then falling to zero."""
    save_every: int = Field(20, ge=1, le=1_000_000)
    """Steps between checkpoints, from which a run can be resumed."""
    check_every: int = Field(10, ge=0, le=100_000)
    """Steps between checks of the form on a few training examples, a curve; 0 means none."""
    checked: int = Field(8, ge=1, le=1000)
    """Training examples that a check plays, one greedy attempt each."""
    most_rejected: float = Field(0.1, ge=0, le=1)
    """The gate: the largest share of writes that may be rejected on held-out examples afterwards."""
    missed: Literal["go_on", "end"] = "go_on"
    """What becomes of a run whose gate is missed: it says so and goes on, or it says so and ends."""

    @model_validator(mode="after")
    def _divides(self) -> Imitation:
        if self.steps and self.batch % self.micro_batches:
            raise ValueError(
                f"micro_batches ({self.micro_batches}) must divide batch ({self.batch})"
            )
        return self
