"""The weights of a run: those that it ended with and its checkpoints, whole ones only."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

from memfactory_core.config import RunConfig, build
from memfactory_core.errors import RunError
from memfactory_core.runs import database
from memfactory_core.runs.tables import Run


def checkpoints(folder: Path) -> dict[int, Path]:
    """The checkpoints of a run's folder that were written to their end, by step, the latest first. The trainer's
    state is written last, so a folder without it is half a checkpoint."""
    whole = {
        int(path.parent.name.split("-")[1]): path.parent
        for path in folder.glob("checkpoints/checkpoint-*/trainer_state.json")
    }
    return dict(sorted(whole.items(), reverse=True))


def last_checkpoint(folder: Path) -> Path | None:
    """The latest whole checkpoint of a run's folder, or None."""
    return next(iter(checkpoints(folder).values()), None)


def final_weights(folder: Path) -> Path | None:
    """The folder of the weights that a run ended with, or None where it has none."""
    end = folder / "policy"
    return end if any(end.glob("*.safetensors")) else None


def trained_policy(run: Run, config: RunConfig, step: int | None = None) -> Path | None:
    """The folder of the weights that a run ended with, or had at the checkpoint of `step`; None where it did
    not train. RunError where they are missing."""
    if config.mode != "train":
        return None
    folder = Path(run.folder)
    if step is not None:
        return _checkpoint(run.id, checkpoints(folder), step)
    end = final_weights(folder)
    if end is None:
        raise RunError(
            f"run {run.id} has no trained weights in {folder / 'policy'} (state: {run.state}); "
            "let it finish, or resume it with `memfactory resume`"
        )
    return end


def start_weights(engine: Engine, config: RunConfig) -> Path | None:
    """The folder of the weights that a run starts from where they are another run's; None means its policy's
    own. RunError where that run is gone or has none."""
    if config.weights is None:
        return None
    other = database.get_run(engine, config.weights)
    return trained_policy(other, build(other.settings, f"run {other.id}"), config.weights_step)


def ancestors(engine: Engine, config: RunConfig) -> list[RunConfig]:
    """The configurations of the runs whose weights a run starts from, the nearest first. RunError where one is
    gone."""
    found, seen = [], set()
    while config.weights and config.weights not in seen:
        seen.add(config.weights)
        other = database.get_run(engine, config.weights)
        config = build(other.settings, f"run {other.id}")
        found.append(config)
    return found


def role_weights(engine: Engine, config: RunConfig) -> Path | None:
    """The folder that a role's policy "start" stands for: what the training starts from. An evaluation of trained
    weights keeps the partner that they were trained beside."""
    while config.mode != "train" and config.weights is not None:
        other = database.get_run(engine, config.weights)
        config = build(other.settings, f"run {other.id}")
    return start_weights(engine, config)


def _checkpoint(run_id: str, kept: dict[int, Path], step: int) -> Path:
    if step not in kept:
        known = ", ".join(map(str, sorted(kept))) or "none"
        raise RunError(f"run {run_id} has no checkpoint of step {step}; it has: {known}")
    return kept[step]
