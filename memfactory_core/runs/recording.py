"""What a run leaves behind: episodes with all that was found out about them, and curves. Written by the worker in
one transaction a batch, taken out again where a resumed run does the same steps once more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, insert, update
from sqlmodel import Session, col, select

from memfactory_core.explain.causes import Finding, explain, primary
from memfactory_core.explain.diagnosis import tally
from memfactory_core.explain.memories import memory_lives
from memfactory_core.explain.needs import find_needs
from memfactory_core.runs.bodies import Pattern, key_of
from memfactory_core.runs.database import write
from memfactory_core.runs.tables import (
    EpisodeRow,
    ExampleRow,
    MemoryRow,
    Metric,
    NeedRow,
    Table,
    TallyRow,
)
from memfactory_core.trace import Episode, follow_facts

Rows = dict[type[Table], list[dict[str, Any]]]
"""Rows by the table that they go to."""
TALLIED = ("run_id", "phase", "step", "name")
"""What names a count."""
IMITATION = "imitation/"
"""How the names of the curves of imitation begin; its steps are counted by themselves."""
UNTRAINED = "untrained"
"""The evaluation before imitation, where a training follows it."""
AT_ONCE = 64
"""Episodes that are unpacked at a time."""


def save_episodes(
    engine: Engine, run_id: str, phase: str, step: int, episodes: Sequence[Episode]
) -> None:
    """Writes episodes, the lives of their memories, what became of needed facts and the causes of wrong answers in one
    transaction."""
    rows = episode_rows(run_id, phase, step, episodes, _read_patterns(engine, run_id, episodes))
    write(engine, lambda connection: insert_rows(connection, rows))


def insert_rows(connection: Connection, rows: Rows) -> None:
    """Adds rows to their tables within a transaction; counts are added to those that are there."""
    for table, values in rows.items():
        if table is TallyRow:
            _add_to_tally(connection, values)
        elif values:
            connection.execute(insert(table), values)


def _read_patterns(engine: Engine, run_id: str, episodes: Sequence[Episode]) -> dict[str, Pattern]:
    """The patterns of these episodes' examples that the run has already, by their keys."""
    keys = list({key_of(episode) for episode in episodes})
    found: dict[str, Pattern] = {}
    with Session(engine) as session:
        for start in range(0, len(keys), 500):
            here = (ExampleRow.run_id == run_id, ExampleRow.id.in_(keys[start : start + 500]))
            rows = session.exec(select(ExampleRow.id, ExampleRow.pattern).where(*here))
            found |= {key: Pattern.unpack(pattern) for key, pattern in rows}
    return found


def episode_rows(
    run_id: str, phase: str, step: int, episodes: Sequence[Episode], known: dict[str, Pattern]
) -> Rows:
    """All that is kept of episodes, as the rows of each table. `known` are the patterns that the run has; those that
    are new are put there."""
    new, shared = [], {}
    for e in episodes:
        key = shared[e.id] = key_of(e)
        if key not in known:
            known[key] = Pattern.of(e)
            new.append({"run_id": run_id, "id": key, "pattern": known[key].pack()})
    findings = {e.id: explain(e) for e in episodes}
    causes = {e.id: primary(findings[e.id]) for e in episodes}
    holdings = {e.id: follow_facts(e.example, e.events) for e in episodes}
    place = {"run_id": run_id, "phase": phase, "step": step}
    rows = [
        {
            **place, "id": e.id, "group_id": e.group_id,
            "example_id": e.example.id, "text_id": e.example.text, "question": e.example.question, "answer": e.answer,
            "gold": e.example.answers[0] if e.example.answers else "",
            "reward": e.reward, "advantage": e.advantage,
            "exact_match": e.scores.get("exact_match", 0.0), "stored": e.scores.get("stored"),
            "kept": e.scores.get("kept"), "rejected": e.scores.get("rejected", 0.0),
            "turns": len(e.turns), "stop_reason": e.stop_reason,
            "cause": found.cause if (found := causes[e.id]) else None,
            "cause_seq": found.seq if found else None, **failed_columns(e, found), "shared": shared[e.id],
            "body": known[shared[e.id]].pack_episode(e),
        }
        for e in episodes
    ]  # fmt: skip
    return {
        ExampleRow: new,
        EpisodeRow: rows,
        NeedRow: [
            {**place, "episode_id": e.id, "number": number, **need.model_dump()}
            for e in episodes
            for number, need in enumerate(find_needs(e, findings[e.id], holdings[e.id]))
        ],
        MemoryRow: [
            {**place, "episode_id": e.id, **life.model_dump()}
            for e in episodes
            for life in memory_lives(e, holdings[e.id])
        ],
        TallyRow: [
            {**place, "name": name, "count": count} for name, count in tally(episodes).items()
        ],
    }


def failed_columns(episode: Episode, found: Finding | None) -> dict[str, str | None]:
    """The question that a cause explains with its answers, as columns; all None without a cause."""
    if found is None:
        return {"failed_question": None, "failed_answer": None, "failed_gold": None}
    question = episode.example.questions[found.question]
    answers = [episode.answer, *episode.other_answers]
    return {
        "failed_question": question.question,
        "failed_answer": answers[found.question] if found.question < len(answers) else "",
        "failed_gold": question.answers[0] if question.answers else "",
    }


def _add_to_tally(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """A step's episodes may come in several batches; their counts are added up."""
    counts: dict[tuple[Any, ...], int] = {}
    for row in rows:
        key = tuple(row[name] for name in TALLIED)
        counts[key] = counts.get(key, 0) + row["count"]
    for key, count in counts.items():
        here = [getattr(TallyRow, name) == value for name, value in zip(TALLIED, key, strict=True)]
        more = update(TallyRow).where(*here).values(count=TallyRow.count + count)
        if connection.execute(more).rowcount == 0:
            values = dict(zip(TALLIED, key, strict=True)) | {"count": count}
            connection.execute(insert(TallyRow), [values])


def forget_episodes(engine: Engine, run_id: str, phase: str, after_step: int = -1) -> None:
    """Takes out a phase's episodes of the steps after `after_step`, with all that was derived from them, and in
    training those steps' curves: what a resumed run does again must not stand there twice."""
    of_phase = [
        EpisodeRow.run_id == run_id,
        EpisodeRow.phase == phase,
        EpisodeRow.step > after_step,
    ]

    def take_out(connection: Connection) -> None:
        remove_episodes(connection, run_id, of_phase)
        later_tally = [TallyRow.phase == phase, TallyRow.step > after_step]
        connection.execute(delete(TallyRow).where(TallyRow.run_id == run_id, *later_tally))
        if phase == "train":
            later = [
                Metric.run_id == run_id,
                Metric.step > after_step,
                col(Metric.name).not_like(f"{IMITATION}%"),
            ]
            connection.execute(delete(Metric).where(*later))

    write(engine, take_out)


def remove_episodes(connection: Connection, run_id: str, chosen: Sequence[Any]) -> None:
    """Takes out the episodes of a run that the conditions choose, with their needs and memories, and the patterns that
    no other needs; what was counted of them stays."""
    names = select(EpisodeRow.id).where(*chosen)
    for table in (NeedRow, MemoryRow):
        mine = [table.run_id == run_id, table.episode_id.in_(names)]
        connection.execute(delete(table).where(*mine))
    connection.execute(delete(EpisodeRow).where(*chosen))
    needed = select(EpisodeRow.shared).where(
        EpisodeRow.run_id == run_id, EpisodeRow.shared.is_not(None)
    )
    unneeded = (ExampleRow.run_id == run_id, ExampleRow.id.not_in(needed))
    connection.execute(delete(ExampleRow).where(*unneeded))


def save_metrics(engine: Engine, run_id: str, step: int, values: Mapping[str, float]) -> None:
    """Writes one point of each curve; a point written twice is replaced (a resumed run repeats steps)."""

    def replace(connection: Connection) -> None:
        point = (Metric.run_id == run_id, Metric.step == step, Metric.name.in_(list(values)))
        connection.execute(delete(Metric).where(*point))
        rows = [
            {"run_id": run_id, "name": name, "step": step, "value": value}
            for name, value in values.items()
        ]
        insert_rows(connection, {Metric: rows})

    write(engine, replace)


def recorded_episodes(
    engine: Engine, run_id: str, phase: str, first: int = 0, last: int | None = None,
    limit: int = 1000,
) -> Iterator[Episode]:  # fmt: skip
    """The episodes kept of a phase (train, before/greedy, after/sampled, ...) from step `first` to step `last`.
    Where there are more than `limit`, whole steps are taken, evenly spread; a few bodies are read at a
    time."""
    place = [EpisodeRow.run_id == run_id, EpisodeRow.phase == phase, EpisodeRow.step >= first]
    if last is not None:
        place.append(EpisodeRow.step <= last)
    with Session(engine) as session:
        counts = select(EpisodeRow.step, func.count()).where(*place).group_by(EpisodeRow.step)
        steps = session.exec(counts.order_by(EpisodeRow.step)).all()
        total = sum(count for _, count in steps)
        every = max(1, -(-total // limit))
        taken = [step for step, _ in steps[(len(steps) - 1) % every :: every]]  # the last one is in
        chosen = (
            select(EpisodeRow.id)
            .where(EpisodeRow.run_id == run_id, EpisodeRow.phase == phase)
            .where(EpisodeRow.step.in_(taken))
            .order_by(EpisodeRow.step, EpisodeRow.group_id)
            .limit(limit)
        )
        names = session.exec(chosen).all()
    for start in range(0, len(names), AT_ONCE):
        with Session(engine) as session:
            some = names[start : start + AT_ONCE]
            here = (EpisodeRow.run_id == run_id, EpisodeRow.id.in_(some))
            rows = session.exec(select(EpisodeRow).where(*here).order_by(EpisodeRow.step)).all()
        yield from (row.episode for row in rows)
