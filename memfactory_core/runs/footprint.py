"""How much of the disk a run will take, said before it is started: counted from its settings, with the sizes of stored
episodes and checkpoints of runs like it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func
from sqlmodel import Session, col, select

from memfactory_core.config import RunConfig
from memfactory_core.models.folder import measure_folder
from memfactory_core.runs.retention import keeps_step
from memfactory_core.runs.tables import EpisodeRow, ExampleRow, Run
from memfactory_core.runs.weights import checkpoints, final_weights
from memfactory_core.tiny import WEIGHTS
from memfactory_core.types import Record

LOOKED_AT = 100
"""Runs, the newest, among which runs like this one are looked for."""
MEASURED = 5
"""Runs like this one, the newest, whose episodes are measured: Compose asks at every change of its form."""
PACKED_EPISODE = 400
"""Bytes of a packed episode, with its share of what the attempts at its example have in common, where no run is like
this one: the mean over the example runs' 3,808 episodes is 397."""
ROWS = 1400
"""Bytes of an episode in the database beside what is packed: its columns, memories, facts and their indexes; the mean
over the example runs, 6.8 MB with 1.5 MB packed."""
TRAINED = 3
"""A checkpoint is this many times its weights: AdamW keeps two numbers for each."""


def in_units(size: float) -> str:
    """Bytes in the unit that leaves a number below a thousand, 1.2 MB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


class Footprint(Record):
    """Bytes that a run will take, and where the figures come from. `checkpoint_bytes` is None where neither a run
    like it nor the policy's files are here, and 0 where nothing is trained."""

    episodes: int
    episode_bytes: int
    checkpoints: int
    checkpoint_bytes: int | None = 0
    weight_bytes: int = 0
    """Of the weights that it ends with."""
    basis: str

    @property
    def total(self) -> int:
        """Bytes of all that is known."""
        return self.episodes * self.episode_bytes + self._trained

    @property
    def _trained(self) -> int:
        return self.checkpoints * (self.checkpoint_bytes or 0) + self.weight_bytes

    def in_words(self) -> str:
        """One line for people."""
        parts = [
            f"{self.episodes:,} episodes of {in_units(self.episode_bytes)}: "
            f"{in_units(self.episodes * self.episode_bytes)}"
        ]
        if self.checkpoint_bytes is None:
            parts.append("checkpoints and weights of unknown size")
        elif self._trained:
            parts.append(
                f"{self.checkpoints} checkpoints and the weights: {in_units(self._trained)}"
            )
        return f"about {in_units(self.total)} on the disk ({'; '.join(parts)}; {self.basis})"


def foresee(engine: Engine, config: RunConfig) -> Footprint:
    """What a run with this configuration will take."""
    like = _find_like(engine, config)
    size, told = _episode_size(engine, [run for run in like if _same(run, config, "paradigm")])
    trained: dict[str, Any] = {"checkpoints": 0}
    if config.mode in ("train", "imitate"):
        one = _checkpoint_size(config, like)
        trained = {"checkpoints": count_checkpoints(config), "checkpoint_bytes": one}
        stages = 2 if config.mode == "train" and config.imitates else 1
        trained |= {"weight_bytes": stages * (one or 0) // TRAINED}
    return Footprint(episodes=count_episodes(config), episode_bytes=size, basis=told, **trained)


def count_episodes(config: RunConfig) -> int:
    """Episodes that a run with these settings keeps."""
    if config.mode not in ("train", "imitate", "evaluate"):
        return 0
    measured = config.evaluation.examples * (1 + config.evaluation.samples)
    if config.mode != "train":
        return measured * (1 if config.mode == "evaluate" else 2)
    settings, retention = config.training, config.retention
    groups = min(settings.groups, max(1, retention.episodes // settings.group_size))
    steps = settings.steps // retention.every
    ends = {1, settings.steps}
    steps += sum(
        keeps_step(retention.every, end, settings.steps) and end % retention.every != 0
        for end in ends
    )
    return (3 if config.imitates else 2) * measured + steps * groups * settings.group_size


def count_checkpoints(config: RunConfig) -> int:
    """Checkpoints that lie on the disk at the end."""
    if config.mode == "imitate":
        return min(2, config.imitation.steps // config.imitation.save_every)
    made = config.training.steps // config.training.save_every
    return min(made, config.retention.checkpoints + config.retention.best)


def _find_like(engine: Engine, config: RunConfig) -> list[Run]:
    """The newest runs of the same kind of task."""
    with Session(engine) as session:
        runs = session.exec(select(Run).order_by(col(Run.created).desc()).limit(LOOKED_AT)).all()
    return [run for run in runs if _same(run, config, "task")]


def _same(run: Run, config: RunConfig, part: str) -> bool:
    theirs: Any = run.settings.get(part)
    return isinstance(theirs, dict) and theirs.get("kind") == getattr(config, part).kind


def _episode_size(engine: Engine, like: Sequence[Run]) -> tuple[int, str]:
    """Bytes of an episode in the database, and the basis of the figure in words."""
    like = like[:MEASURED]
    names = [run.id for run in like]
    bodies = select(func.count(), func.sum(func.length(EpisodeRow.body)))
    patterns = select(func.sum(func.length(ExampleRow.pattern)))
    with Session(engine) as session:
        count, size = session.exec(bodies.where(col(EpisodeRow.run_id).in_(names))).one()
        shared = session.exec(patterns.where(col(ExampleRow.run_id).in_(names))).one()
    if not count:
        told = f"no run here is like it: {PACKED_EPISODE:,} bytes for a packed episode are assumed"
        return PACKED_EPISODE + ROWS, told
    runs = "run" if len(like) == 1 else "runs"
    told = f"measured on {count:,} episodes of {len(like)} {runs} of this task and paradigm"
    return math.ceil((int(size) + int(shared or 0)) / count) + ROWS, told


def _checkpoint_size(config: RunConfig, like: Sequence[Run]) -> int | None:
    """Bytes of a checkpoint: of a run with the same policy, else from the files of its weights."""
    policy = config.policy.model_dump(mode="json")
    for run in like:
        if run.settings.get("policy") == policy and (kept := checkpoints(Path(run.folder))):
            return measure_folder(next(iter(kept.values())))
    for run in like:
        if run.settings.get("policy") == policy and (weights := final_weights(Path(run.folder))):
            return TRAINED * measure_folder(weights)
    model = WEIGHTS if config.policy.kind == "tiny" else Path(policy.get("model") or "")
    if policy.get("lora_rank") or not any(model.glob("*.safetensors")):
        return None
    return TRAINED * sum(path.stat().st_size for path in model.glob("*.safetensors"))
