"""What is kept of a training as its settings say: which episodes of a step, which checkpoints."""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from memfactory_core.config import RunConfig
from memfactory_core.explain.stages import starts
from memfactory_core.runs.tables import Metric, Run
from memfactory_core.runs.weights import checkpoints, written_checkpoints
from memfactory_core.trace import Episode


def keeps_step(every: int, step: int, last: int) -> bool:
    """Whether episodes of a training step are kept: of each `every`-th, the first and the `last`."""
    return step % every == 0 or step in (1, last)


def kept_episodes(config: RunConfig, step: int, episodes: Sequence[Episode]) -> list[Episode]:
    """Those of a step's episodes that are kept, whole groups in their order. Which groups follows from the run's seed
    and the step, so that a resumed run keeps the same."""
    if not keeps_step(config.retention.every, step, config.training.steps):
        return []
    groups: dict[str, list[Episode]] = {}
    for episode in episodes:
        groups.setdefault(episode.group_id, []).append(episode)
    most = max(1, config.retention.episodes // config.training.group_size)
    names = list(groups)
    if len(names) > most:
        chosen = set(random.Random(f"{config.seed}/{step}").sample(names, most))
        names = [name for name in names if name in chosen]
    return [episode for name in names for episode in groups[name]]


def superseded(
    config: RunConfig, folder: Path, rewards: Mapping[int, float], needed: Sequence[int] = ()
) -> list[Path]:
    """The checkpoints of a run that are older than those its settings keep; `rewards` by step, `needed` are steps that
    other runs start from. One that is newer than the last whole one is never among them: it is being written."""
    whole = checkpoints(folder)
    if not whole:
        return []
    kept = {*list(whole)[: config.retention.checkpoints], *needed}
    if config.retention.best and (best := _best(config, list(whole), rewards)) is not None:
        kept.add(best)
    return [
        path
        for step, path in written_checkpoints(folder).items()
        if step not in kept and step < max(whole)
    ]


def _best(config: RunConfig, steps: Sequence[int], rewards: Mapping[int, float]) -> int | None:
    """The step whose checkpoint was preceded by the highest rewards, of equals the later one. Rewards of a stage on
    another form of the task, mostly an easier one, are not compared."""
    early = ([1, *starts(config.training.model_dump())])[-1] - 1

    def reward(step: int) -> float | None:
        since = max(early, step - config.training.save_every)
        values = [rewards[s] for s in range(max(0, since) + 1, step + 1) if s in rewards]
        return fmean(values) if values else None

    means = {step: mean for step in steps if (mean := reward(step)) is not None}
    return max(means, key=lambda step: (means[step], step), default=None)


def find_superseded(engine: Engine, run_id: str, config: RunConfig, folder: Path) -> list[Path]:
    """`superseded`, by the rewards that the database holds and the runs that it knows."""
    with Session(engine) as session:
        chosen = select(Metric.step, Metric.value).where(
            Metric.run_id == run_id, Metric.name == "reward"
        )
        rewards = dict(session.exec(chosen).all()) if config.retention.best else {}
        others = session.exec(select(Run).where(col(Run.config).contains(run_id))).all()
    needed = [
        step
        for other in others
        if other.settings.get("weights") == run_id
        and isinstance(step := other.settings.get("weights_step"), int)
    ]
    return superseded(config, folder, rewards, needed)


def drop_checkpoints(engine: Engine, run_id: str, config: RunConfig, folder: Path) -> None:
    """Removes the checkpoints of a run that its settings do not keep."""
    for path in find_superseded(engine, run_id, config, folder):
        shutil.rmtree(path)
