"""The settings of reinforcement learning: GRPO over whole episodes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from memfactory_core.component import Settings


class Stage(Settings):
    """The first steps of a training, with another form of its task or its paradigm, mostly an easier one."""

    steps: int = Field(10, ge=1, le=1_000_000)
    """Steps of this stage; they count among those of the training."""
    task: dict[str, Any] = {}
    """Settings of the training task that differ while it lasts, such as chunks = 1."""
    paradigm: dict[str, Any] = {}
    """Settings of the paradigm that differ while it lasts, such as store.budget = 32; its kind and its parts stay."""


class Training(Settings):
    """How the policy is trained: GRPO (arXiv 2402.03300) over whole episodes, through TRL."""

    steps: int = Field(60, ge=1, le=1_000_000)
    """Optimizer steps; each sees fresh episodes."""
    groups: int = Field(8, ge=1, le=4096)
    """Examples per step; each is attempted `group_size` times."""
    stages: tuple[Stage, ...] = ()
    """What the first steps are trained on, where that is another form of the task or the paradigm: a curriculum, such
    as one section before two. The steps after the last stage have both as they stand; a training of fewer steps than
    the stages take ends in one of them."""
    group_size: int = Field(8, ge=2, le=256)
    """Attempts at each example (G); their rewards are compared with one another."""
    credit: Literal["episode", "decision"] = "episode"
    """What an attempt's advantage is laid to: all that it decided, its group's attempts being independent; or one
    decision, which all attempts of a group take in one and the same recorded state (same-state credit)."""
    learning_rate: float = Field(5e-4, gt=0, le=1)
    """Step size of AdamW; about 5e-4 for the tiny policy, 1e-6 for full fine-tuning of a large one."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """How the learning rate goes on after its rise: it stays, or falls to zero at the last step."""
    warmup_steps: int = Field(3, ge=0, le=100_000)
    """Steps over which the learning rate rises from zero."""
    temperature: float = Field(1.0, gt=0, le=5)
    """Temperature of the episodes' sampling."""
    beta: float = Field(0.0, ge=0, le=10)
    """Weight of the KL penalty to the starting policy; 0 saves the reference model."""
    loss: Literal["dapo", "grpo", "dr_grpo", "bnpo"] = "dapo"
    """How token losses are averaged over a step, however many pieces it has: dapo over all tokens, bnpo over the
    tokens of each process, grpo over turns after each turn's own mean, dr_grpo over turns as sums divided by 256
    tokens (TRL's max_completion_length)."""
    scale_rewards: Literal["group", "batch", "none"] = "group"
    """Divide advantages by the standard deviation of the group (Memory-R1), the batch, or not (MemAgent)."""
    negative: float = Field(1.0, ge=0, le=1)
    """Weight of attempts that earned less than their group; 0 learns from the better ones alone, as rejection
    sampling does. A small model's slips are so unlikely that pushing them down disturbs all else."""
    clip: float = Field(0.2, gt=0, le=1)
    """Clip range of the probability ratio, used where one batch of episodes serves several steps."""
    shuffled: bool = False
    """Deals the advantages of each group out among its attempts by chance: a control. What is learned all the same was
    not learned from what the attempts earned."""
    reuse: int = Field(1, ge=1, le=16)
    """Optimizer steps on each batch of episodes (TRL's num_iterations)."""
    micro_batches: int = Field(1, ge=1, le=1024)
    """Pieces in which a step's turns pass through the model; more pieces need less memory."""
    entropy: float = Field(0.0, ge=0, le=1)
    """Weight of the entropy bonus, the mean over the step's tokens of what was left to sample from; it keeps a
    policy from settling too early."""
    drop_silent: bool = True
    """Leave turns without advantage out of the loss; they carry no gradient (unless beta or entropy is set).
    The mean is then taken over the others alone."""
    processes: int = Field(1, ge=1, le=64)
    """Processes that train together, each with its share of a step's groups: as many as there are GPUs. Stopped, such a
    run goes on from its last regular checkpoint. Tried with two processes on a CPU; on several GPUs nobody here has."""
    report_to: tuple[Literal["tensorboard", "wandb", "trackio", "mlflow"], ...] = ()
    """Trackers that TRL tells each step's figures too, each a package of its own. tensorboard writes into the run's
    folder, below `checkpoints/runs`; the others were not tried here, and may send figures and settings to a server:
    what they need (keys, addresses) is in their own environment variables."""
    save_every: int = Field(50, ge=1, le=1_000_000)
    """Steps between checkpoints, from which a run can be resumed."""

    @model_validator(mode="after")
    def _divides(self) -> Training:
        """Each process has whole groups, for advantages are taken within them; each piece has as many attempts."""
        if any(stage.steps % self.reuse for stage in self.stages):
            raise ValueError(
                f"reuse ({self.reuse}) must divide the steps of every stage: each batch of episodes serves as many"
            )
        if self.groups % self.processes:
            raise ValueError(
                f"processes ({self.processes}) must divide groups ({self.groups}): each trains whole groups"
            )
        episodes = self.groups * self.group_size // self.processes
        if episodes % self.micro_batches:
            per = " of each process" if self.processes > 1 else ""
            raise ValueError(
                f"micro_batches ({self.micro_batches}) must divide the {episodes} attempts{per} in a step "
                "(groups x group_size)"
            )
        return self
