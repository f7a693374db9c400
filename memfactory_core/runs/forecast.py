"""How long a run will take and how much memory, said before it is started: measured on finished runs like it, never
assumed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from memfactory_core.config import RunConfig, build
from memfactory_core.errors import MemFactoryError
from memfactory_core.runs.footprint import LOOKED_AT
from memfactory_core.runs.tables import Run
from memfactory_core.text import describe_duration
from memfactory_core.types import Record

ALIKE = 5
"""Finished runs like this one, the newest, that are measured."""


class Forecast(Record):
    """What a run will take. `seconds` and `memory` (bytes) are None where no finished run is like it."""

    seconds: float | None = None
    memory: int | None = None
    basis: str

    def in_words(self) -> str:
        """One line for people."""
        if self.seconds is None:
            return f"time and memory are not known: {self.basis}"
        memory = "how much memory is not known" if self.memory is None else _memory(self.memory)
        return f"about {describe_duration(max(1.0, self.seconds))}, {memory} ({self.basis})"


def _memory(size: int) -> str:
    return f"up to {size / 2**30:.1f} GiB of memory"


def forecast(engine: Engine, config: RunConfig) -> Forecast:
    """Time in proportion to the episodes played, as in finished runs of the same mode, kind of task, paradigm, parts
    and policy; those made here before those that were brought in. Memory is the most that one of them used."""
    with Session(engine) as session:
        chosen = select(Run).where(col(Run.state) == "finished", col(Run.mode) == config.mode)
        runs = session.exec(chosen.order_by(col(Run.created).desc()).limit(LOOKED_AT)).all()
    like = [(run, theirs) for run in runs if (theirs := _read(run)) and _alike(theirs, config)]
    here = [pair for pair in like if not pair[0].origin] or like
    if not here:
        return Forecast(basis="no finished run here is like it; the first one will tell")
    return _measure(here[:ALIKE], config)


def _measure(like: Sequence[tuple[Run, RunConfig]], config: RunConfig) -> Forecast:
    rates = [run.elapsed(run.ended or run.created) / count_work(theirs) for run, theirs in like]
    peaks = [run.peak_memory for run, _ in like if run.peak_memory]
    runs = "run" if len(like) == 1 else "runs"
    where = "on this lab's machine" if not like[0][0].origin else "where they were made"
    spread = f", {min(rates):.2g} to {max(rates):.2g} s an episode" if len(rates) > 1 else ""
    return Forecast(
        seconds=sum(rates) / len(rates) * count_work(config),
        memory=max(peaks, default=None),
        basis=f"as {len(like)} finished {runs} like it took {where}{spread}; longer texts take longer",
    )


def count_work(config: RunConfig) -> int:
    """The episodes that a run plays or the demonstrations that it learns from; the updates of a reranker."""
    if config.mode == "rerank":
        return config.reranking.steps
    measured = config.evaluation.examples * (1 + config.evaluation.samples)
    if config.mode not in ("train", "imitate"):
        return measured
    training, imitation = config.training, config.imitation
    played = training.steps * training.groups * training.group_size
    work = (3 if config.imitates else 2) * measured + (played if config.mode == "train" else 0)
    return work + (imitation.steps * imitation.batch if config.imitates else 0)


def _read(run: Run) -> RunConfig | None:
    """A run's configuration; None where another version made it, of which this one knows no part."""
    try:
        return build(run.settings, f"run {run.id}")
    except MemFactoryError:
        return None


def _alike(theirs: RunConfig, config: RunConfig) -> bool:
    return _features(theirs) == _features(config)


def _features(config: RunConfig) -> dict[str, Any]:
    """What two runs must share for one to tell how long the other takes."""
    paradigm, policy = config.paradigm, config.policy.model_dump(mode="json")
    parts = (paradigm.extractor, paradigm.updater, paradigm.store, paradigm.retriever)
    return {
        "task": config.task.kind,
        "paradigm": paradigm.kind,
        "parts": [part.kind for part in parts],
        "policy": (
            policy["kind"],
            policy.get("model"),
            policy.get("lora_rank"),
            policy.get("engine"),
        ),
    }
