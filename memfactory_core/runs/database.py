"""The database of runs: SQLModel tables on SQLite in WAL mode (or any SQLAlchemy URL). Workers write, pages
read. Whole episodes are kept as JSON beside the columns that lists and curves are queried by."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Index, LargeBinary, delete, event, insert, inspect, text
from sqlalchemy.orm import registry
from sqlmodel import Field, Session, SQLModel, create_engine, select

from memfactory_core.errors import RunError
from memfactory_core.explain.causes import explain, primary
from memfactory_core.explain.needs import memory_fates, need_fates
from memfactory_core.trace import Episode, Recalled, Scored, Wrote

ACTIVE = ("queued", "starting", "running", "stopping")
ENDED = ("finished", "stopped", "failed", "lost")


class Table(SQLModel, registry=registry()):
    """The tables' own registry: a hot reload of a page may import them twice."""


class Run(Table, table=True):
    """One training or evaluation. `pid`, `born` (the process's create time) and `token` identify its
    worker; a pid alone may have been given to another process."""

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

    @property
    def settings(self) -> dict[str, Any]:
        """The configuration as plain values."""
        return json.loads(self.config)

    @property
    def summary(self) -> dict[str, Any]:
        """{"before": {...}, "after": {...}}: the scores of the evaluations done so far."""
        return json.loads(self.results)


class Metric(Table, table=True):
    """One value of one curve at one step."""

    run_id: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    step: int = Field(primary_key=True)
    value: float


class EpisodeRow(Table, table=True):
    """One episode: the columns that lists sort by, and the whole as compressed JSON. `phase` is train,
    before/greedy, before/sampled, after/greedy or after/sampled."""

    __tablename__ = "episode"
    __table_args__ = (
        Index("episode_by_step", "run_id", "phase", "step", "group_id"),
        Index("episode_by_reward", "run_id", "phase", "reward"),
        Index("episode_by_cause", "run_id", "phase", "cause", "step"),
    )
    run_id: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    phase: str
    step: int
    group_id: str
    example_id: str
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
    cause: str | None = Field(default=None, index=True)
    cause_seq: int | None = None
    body: bytes = Field(sa_type=LargeBinary)

    @property
    def episode(self) -> Episode:
        """The whole episode."""
        return unpack(self.body)


class EventRow(Table, table=True):
    """One event of an episode; what a memory debugger asks for: where, what kind, which memory."""

    __tablename__ = "event"
    __table_args__ = (Index("event_by_action", "run_id", "action"),)
    run_id: str = Field(primary_key=True)
    episode_id: str = Field(primary_key=True)
    seq: int = Field(primary_key=True)
    kind: str
    at: int | None
    turn: int
    action: str | None = None
    memory_id: str | None = None
    text: str | None = None


class Need(Table, table=True):
    """What became of one needed fact of an episode; see explain.needs.NeedFate."""

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


class Fate(Table, table=True):
    """What became of one memory of an episode; see explain.needs.MemoryFate."""

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


def connect(url: str) -> Engine:
    """An engine with every table made. A path's folder is made where it is missing; RunError where the
    place cannot be written."""
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot make the folder {path.parent}: {error.strerror}") from error
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def _configure(connection: Any, _: Any) -> None:
            for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=10000"):
                connection.execute(f"PRAGMA {pragma}")

    try:
        Table.metadata.create_all(engine)
        _add_columns(engine)
    except Exception as error:
        reason = getattr(error, "orig", error)
        raise RunError(
            f"cannot open the database {url}: {reason}; is the folder writable?"
        ) from error
    return engine


def _add_columns(engine: Engine) -> None:
    """Columns that a newer version brought are added to an older database; nothing is ever removed."""
    inspector = inspect(engine)
    for table in Table.metadata.sorted_tables:
        known = {column["name"] for column in inspector.get_columns(table.name)}
        for column in table.columns:
            if column.name not in known:
                kind = column.type.compile(engine.dialect)
                with engine.begin() as connection:
                    connection.execute(
                        text(f'ALTER TABLE "{table.name}" ADD "{column.name}" {kind}')
                    )


def pack(episode: Episode) -> bytes:
    """An episode as compressed JSON, without log-probs."""
    lean = {"turns": {"__all__": {"completion": {"logprobs"}}}}
    return zlib.compress(episode.model_dump_json(exclude=lean).encode(), 3)


def unpack(body: bytes) -> Episode:
    """The episode that was packed."""
    return Episode.model_validate_json(zlib.decompress(body))


def save_episodes(
    engine: Engine, run_id: str, phase: str, step: int, episodes: Sequence[Episode]
) -> None:
    """Writes episodes, their events, the fates of their memories and the causes of wrong answers in one
    transaction."""
    findings = {e.id: explain(e) for e in episodes}
    causes = {e.id: primary(findings[e.id]) for e in episodes}
    place = {"run_id": run_id, "phase": phase, "step": step}
    rows = [
        {
            **place, "id": e.id, "group_id": e.group_id,
            "example_id": e.example.id, "question": e.example.question, "answer": e.answer,
            "gold": e.example.answers[0] if e.example.answers else "",
            "reward": e.reward, "advantage": e.advantage,
            "exact_match": e.scores.get("exact_match", 0.0), "stored": e.scores.get("stored"),
            "kept": e.scores.get("kept"), "rejected": e.scores.get("rejected", 0.0),
            "turns": len(e.turns), "stop_reason": e.stop_reason,
            "cause": found.cause if (found := causes[e.id]) else None,
            "cause_seq": found.seq if found else None, "body": pack(e),
        }
        for e in episodes
    ]  # fmt: skip
    tables = {
        EpisodeRow: rows,
        EventRow: [row for e in episodes for row in _event_rows(run_id, e)],
        Need: [
            {**place, "episode_id": e.id, "number": number, **need.model_dump()}
            for e in episodes
            for number, need in enumerate(need_fates(e, findings[e.id]))
        ],
        Fate: [
            {**place, "episode_id": e.id, **fate.model_dump()}
            for e in episodes
            for fate in memory_fates(e)
        ],
    }
    with engine.begin() as connection:
        for table, values in tables.items():
            if values:
                connection.execute(insert(table), values)


def forget_episodes(engine: Engine, run_id: str, phase: str, after_step: int = -1) -> None:
    """Takes out a phase's episodes of the steps after `after_step`, with all that was derived from them, and in
    training those steps' curves: what a resumed run does again must not stand there twice."""
    of_phase = [
        EpisodeRow.run_id == run_id,
        EpisodeRow.phase == phase,
        EpisodeRow.step > after_step,
    ]
    chosen = select(EpisodeRow.id).where(*of_phase)
    with engine.begin() as connection:
        for table in (EventRow, Need, Fate):
            mine = [table.run_id == run_id, table.episode_id.in_(chosen)]
            connection.execute(delete(table).where(*mine))
        connection.execute(delete(EpisodeRow).where(*of_phase))
        if phase == "train":
            later = [Metric.run_id == run_id, Metric.step > after_step]
            connection.execute(delete(Metric).where(*later))


def _event_rows(run_id: str, episode: Episode) -> Iterable[dict[str, Any]]:
    for entry in episode.events:
        if isinstance(entry, Scored):
            continue
        row = {
            "run_id": run_id, "episode_id": episode.id, "seq": entry.seq, "kind": entry.kind,
            "at": entry.at, "turn": entry.turn, "action": None, "memory_id": None, "text": None,
        }  # fmt: skip
        if isinstance(entry, Wrote):
            row |= {"action": entry.action, "memory_id": entry.memory_id, "text": entry.after}
        if isinstance(entry, Recalled):
            row["text"] = ",".join(hit.memory.id for hit in entry.hits)
        yield row


def save_metrics(engine: Engine, run_id: str, step: int, values: Mapping[str, float]) -> None:
    """Writes one point of each curve; a point written twice is replaced (a resumed run repeats steps)."""
    with Session(engine) as session:
        for name, value in values.items():
            session.merge(Metric(run_id=run_id, name=name, step=step, value=value))
        session.commit()


def update_run(engine: Engine, run_id: str, **changes: Any) -> Run:
    """Changes columns of a run and returns it. RunError where there is no such run."""
    with Session(engine, expire_on_commit=False) as session:
        run = session.get(Run, run_id)
        if run is None:
            raise RunError(f"no run {run_id!r}; `memfactory ls` shows the runs")
        for name, value in changes.items():
            setattr(run, name, value)
        session.add(run)
        session.commit()
        return run


def get_run(engine: Engine, run_id: str) -> Run:
    """A run by its id or an unambiguous beginning of it. RunError where there is none."""
    with Session(engine) as session:
        found = session.exec(select(Run).where(Run.id.startswith(run_id, autoescape=True))).all()
    if len(found) != 1:
        what = "no run" if not found else f"{len(found)} runs begin with"
        raise RunError(f"{what} {run_id!r}; `memfactory ls` shows the runs")
    return found[0]


def list_runs(engine: Engine, limit: int = 200) -> list[Run]:
    """Runs, newest first."""
    with Session(engine) as session:
        return list(session.exec(select(Run).order_by(Run.created.desc()).limit(limit)).all())


def now() -> float:
    """Seconds since the epoch, the clock of every column here."""
    return time.time()
