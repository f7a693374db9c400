"""The tables of the database (SQLModel). Whole episodes are kept packed (`bodies.py`) beside the columns that lists and
curves are queried by. A change here is a new step in `migrations/`, which brings older databases up to date."""

from __future__ import annotations

import json
import math
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Index, LargeBinary, and_, event
from sqlalchemy.orm import foreign, registry, relationship
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import Field, Relationship, SQLModel, col

from memfactory_core.runs.bodies import unpack
from memfactory_core.runs.place import folder_of
from memfactory_core.trace import Episode

ACTIVE = ("queued", "starting", "running", "stopping")
GROUPS = ("evaluation", "paradigm", "policy", "reward", "roles", "task", "training")
"""Groups of a configuration that are looked into without building it."""
WORKING = ("starting", "running", "stopping")
"""States of a run that holds its device."""
ENDED = ("finished", "stopped", "failed", "lost")
STARTABLE = ("queued", "stopped", "failed", "lost")
"""States from which a worker may be started: never begun, or ended early."""


class Table(SQLModel, registry=registry()):
    """The tables' own registry: a hot reload of a page may import them twice."""


class Run(Table, table=True):
    """One training or evaluation. `pid`, `born` (the process's create time) and `token` identify its
    worker; a pid alone may have been given to another process. `started` and `ended` are of the last stretch of
    work, `seconds` is what the stretches before it took. `origin` is the id that an imported run had where it was
    made. `turn` is its place in the queue for a device, the lowest first; None where it is in no queue. `device` is
    "cpu" or "cuda" while it waits, the one that it got ("cuda:0") from then on. `exit_code`, `exit_signal`,
    `out_of_memory` and `peak_memory` (bytes) are what its supervisor saw of its worker's end; None and "" where it
    saw none. `tags` (with commas between) and `note` are what a person wrote to it. `sweep` names the sweep that it
    is a cell of, `cell` says which, as JSON (recipe, grid, fixed, chosen); "" where it is of none.
    `progress` is the share that is done of what `phase` says, None where nobody counts."""

    id: str = Field(primary_key=True)
    name: str
    mode: str
    state: str = Field(index=True)
    reason: str = ""
    folder: str
    config: str
    created: float
    started: float | None = None
    ended: float | None = None
    heartbeat: float | None = None
    pid: int | None = None
    born: float | None = None
    token: str
    phase: str = ""
    step: int = 0
    steps: int = 0
    eta: float | None = None
    results: str = "{}"
    seconds: float = 0.0
    origin: str = ""
    device: str = ""
    turn: float | None = None
    exit_code: int | None = None
    exit_signal: str = ""
    out_of_memory: bool = False
    peak_memory: int | None = Field(default=None, sa_type=BigInteger)
    tags: str = ""
    note: str = ""
    sweep: str = ""
    cell: str = ""
    progress: float | None = None

    @property
    def tag_list(self) -> list[str]:
        """The run's tags, in the order in which they were given."""
        return [tag for tag in self.tags.split(",") if tag]

    @property
    def settings(self) -> dict[str, Any]:
        """The configuration as plain values; {} where it cannot be read. What is not of the shape that pages look
        into is left out (`fault` says so)."""
        return _readable(read_table(self.config) or {})

    @property
    def summary(self) -> dict[str, Any]:
        """{"before": {...}, "after": {...}}: the scores of the evaluations done so far. What is not a mean with its
        interval is left out (`fault` says so)."""
        return {
            when: {path: figures for path, figures in scores.items() if _is_figures(figures)}
            for when, scores in (read_table(self.results) or {}).items()
            if isinstance(scores, dict)
        }

    @property
    def fault(self) -> str:
        """What of this row cannot be read, in words; "" where all can. One bad row must not take a list of
        runs down with it."""
        settings = read_table(self.config)
        if not settings or settings != self.settings:
            return f"the settings of run {self.id} cannot be read"
        kept = read_table(self.results)
        if kept is None or kept != self.summary:
            return f"the results of run {self.id} cannot be read"
        return ""

    def elapsed(self, now: float) -> float:
        """Seconds of work up to `now` or the end, those before a resume included."""
        return self.count_seconds(self.seconds, self.started or self.created, self.ended or now)

    @staticmethod
    def count_seconds(before: float | None, begun: float, until: float) -> float:
        """Seconds of work from `begun` on, and those `before` a resume."""
        return (before or 0.0) + max(0.0, until - begun)


@event.listens_for(Run, "load")
def _find_folder(run: Run, _: Any) -> None:
    """A lab that was moved works from its new place; the record stays as it was written."""
    set_committed_value(run, "folder", folder_of(run.id, run.folder))


class Metric(Table, table=True):
    """One value of one curve at one step."""

    run_id: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    step: int = Field(primary_key=True)
    value: float


class ExampleRow(Table, table=True):
    """What a run's attempts at one example share, kept once: see bodies.Pattern."""

    __tablename__ = "example"
    run_id: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    pattern: bytes = Field(sa_type=LargeBinary)


class EpisodeRow(Table, table=True):
    """One episode: the columns that lists sort by, and the whole, packed against the pattern of its example (`shared`);
    alone where that is None, as older versions wrote it. `phase` is train, before/greedy, before/sampled, after/greedy
    or after/sampled."""

    __tablename__ = "episode"
    __table_args__ = (
        Index("episode_by_step", "run_id", "phase", "step", "group_id"),
        Index("episode_by_cause", "run_id", "phase", "cause", "step"),
    )
    run_id: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    phase: str
    step: int
    group_id: str
    example_id: str
    text_id: str | None = None
    """Which text the example reads; None in rows of older versions."""
    question: str
    answer: str
    gold: str
    reward: float
    advantage: float
    exact_match: float
    stored: float | None
    kept: float | None
    rejected: float
    turns: int
    stop_reason: str
    cause: str | None = None
    cause_seq: int | None = None
    failed_question: str | None = None
    """The question that the cause explains, its answer and its right answer: not always the episode's first. None where
    there is no cause, and in rows of an older version."""
    failed_answer: str | None = None
    failed_gold: str | None = None
    shared: str | None = None
    body: bytes = Field(sa_type=LargeBinary)
    # loaded with the row: whoever reads whole episodes reads them after the session is closed
    example: ExampleRow | None = Relationship(
        sa_relationship=relationship(
            lambda: ExampleRow, primaryjoin=lambda: SHARED, lazy="joined", viewonly=True
        )
    )

    @property
    def episode(self) -> Episode:
        """The whole episode."""
        return unpack(self.body, self.example.pattern if self.example else None)


SHARED: ColumnElement[bool] = and_(
    foreign(col(EpisodeRow.shared)) == col(ExampleRow.id),
    foreign(col(EpisodeRow.run_id)) == col(ExampleRow.run_id),
)
"""What joins an episode with the pattern that it is packed against."""


class NeedRow(Table, table=True):
    """What became of one needed fact of an episode; see explain.needs.Need."""

    __tablename__ = "need"
    __table_args__ = (
        Index("need_by_step", "run_id", "phase", "step"),
        Index("need_by_cause", "run_id", "phase", "cause", "step"),
    )
    run_id: str = Field(primary_key=True)
    episode_id: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    phase: str
    step: int
    text: str
    told: int
    stored: int | None
    lost: int | None
    observations: int
    cause: str | None
    cause_seq: int | None


class MemoryRow(Table, table=True):
    """What became of one memory of an episode; see explain.memories.MemoryLife."""

    __tablename__ = "fate"
    __table_args__ = (Index("fate_by_run", "run_id", "phase", "reads", "step"),)
    run_id: str = Field(primary_key=True)
    episode_id: str = Field(primary_key=True)
    memory_id: str = Field(primary_key=True)
    phase: str
    step: int
    text: str
    written: int
    updates: int
    reads: int
    last_read: int | None
    ended: int | None
    needed_later: bool


class TallyRow(Table, table=True):
    """How often something happened in a phase's step, added up from the events: see explain.diagnosis.tally."""

    __tablename__ = "tally"
    run_id: str = Field(primary_key=True)
    phase: str = Field(primary_key=True)
    step: int = Field(primary_key=True)
    name: str = Field(primary_key=True)
    count: int


def read_table(text: str) -> dict[str, Any] | None:
    """A JSON table of a row; None where it is none."""
    try:
        values = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _readable(values: dict[str, Any]) -> dict[str, Any]:
    """Of a configuration the groups that are tables, with the parts in them that are."""
    kept = {
        name: dict(group) if isinstance(group, dict) else group
        for name, group in values.items()
        if name not in GROUPS or isinstance(group, dict)
    }
    store = kept.get("paradigm", {}).get("store", {})
    if not (_is_part(store) and isinstance(store.get("budget", 0), int | None)):
        del kept["paradigm"]["store"]
    roles, reward = kept.get("roles", {}), kept.get("reward", {})
    for name, part in list(roles.items()):
        if part != "start" and not (_is_part(part) and "kind" in part):
            del roles[name]
    for name, part in list(reward.items()):
        if not (isinstance(part, str | int | float) or _is_part(part)):
            del reward[name]
    if not _are_stages(kept.get("training", {})):
        del kept["training"]["stages"]
    return kept


def _are_stages(training: dict[str, Any]) -> bool:
    """Whether the stages of a training, where it has some, have steps and a table each, and it has steps itself."""
    stages = training.get("stages", [])
    return isinstance(stages, list) and all(
        isinstance(stage, dict)
        and isinstance(stage.get("steps"), int)
        and isinstance(stage.get("task", {}), dict)
        and isinstance(stage.get("paradigm", {}), dict)
        and isinstance(training.get("steps"), int)
        for stage in stages
    )


def _is_part(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("kind", ""), str)


def _is_figures(value: Any) -> bool:
    """A mean with its interval; where all questions are about one text there is none, and its ends are null."""
    if not isinstance(value, dict):
        return False
    bounds = [value.get("low"), value.get("high")]
    counts = [value.get("n"), value.get("clusters", 0)]
    numbers = [value.get("mean"), *counts, *([] if bounds == [None, None] else bounds)]
    return all(isinstance(number, int | float) and _is_finite(number) for number in numbers)


def _is_finite(number: float) -> bool:
    # an integer beyond every float is no figure either
    return abs(number) < 1e300 and math.isfinite(number)
