"""Runs searched and put in order: by words, state, paradigm, task and tag."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import Engine, func
from sqlmodel import Session, col, select

from memfactory_core.runs import database
from memfactory_core.runs.tables import Run, read_table
from memfactory_core.tasks.settings import find_tasks

Sort = Literal["newest", "oldest", "name", "longest", "best"]
SORTS: tuple[Sort, ...] = get_args(Sort)
"""Orders of a list: `longest` by seconds of work, `best` by greedy exact match after."""
MOST = 5000
"""Runs that are looked through, the newest."""
_LIGHT = ("id", "name", "state", "mode", "created", "started", "ended", "seconds", "tags", "note", "sweep")  # fmt: skip
_FAMILIES = ("store", "extractor", "updater", "retriever")
_parts: dict[tuple[str, str], dict[str, str]] = {}
"""What each run is made of, by database and run; that never changes."""


class Query(NamedTuple):
    """What is looked for: every word of `text` in the name, the id, a tag or the note; any of each of the others."""

    text: str = ""
    states: Sequence[str] = ()
    paradigms: Sequence[str] = ()
    tasks: Sequence[str] = ()
    tags: Sequence[str] = ()
    sweep: str = ""
    sort: Sort = "newest"


class Facets(NamedTuple):
    """What the runs that there are can be told apart by."""

    states: list[str]
    paradigms: list[str]
    tasks: list[str]
    tags: list[str]


def search_runs(engine: Engine, query: Query = Query()) -> list[str]:  # noqa: B008 - a frozen tuple
    """The ids of the runs that a query finds, in its order."""
    rows = [row for row in _read_rows(engine) if _fits(row, query)]
    key: Any = {
        "newest": lambda row: -row["created"],
        "oldest": lambda row: row["created"],
        "name": lambda row: (row["name"].lower(), -row["created"]),
        "longest": lambda row: -_seconds(row),
    }.get(query.sort)
    if query.sort == "best":
        scores = _read_scores(engine, [row["id"] for row in rows])
        key = lambda row: (-scores.get(row["id"], -1.0), -row["created"])  # noqa: E731
    return [row["id"] for row in sorted(rows, key=key)]


def find_runs(engine: Engine, run_ids: Sequence[str]) -> list[Run]:
    """The runs of these ids, in their order; those that are gone are left out."""
    found: dict[str, Run] = {}
    with Session(engine) as session:
        for start in range(0, len(run_ids), 500):
            chosen = select(Run).where(col(Run.id).in_(run_ids[start : start + 500]))
            found |= {run.id: run for run in session.exec(chosen)}
    return [found[run_id] for run_id in run_ids if run_id in found]


def count_runs(engine: Engine) -> int:
    """How many runs there are."""
    with Session(engine) as session:
        return session.exec(select(func.count()).select_from(Run)).one()


def list_facets(engine: Engine) -> Facets:
    """The states, paradigms, tasks and tags that any run has."""
    rows = _read_rows(engine)
    tags = {tag for row in rows for tag in row["tags"].split(",") if tag}

    def kinds(name: str) -> list[str]:
        return sorted({row[name] for row in rows if row[name]})

    return Facets(kinds("state"), kinds("paradigm"), kinds("task"), sorted(tags))


def list_parts(settings: dict[str, Any]) -> dict[str, str]:
    """What a configuration is made of: the kind of its paradigm, of each part of it, its policy and its task."""
    paradigm, policy = settings.get("paradigm"), settings.get("policy")
    found = {"paradigm": _kind(paradigm)}
    for family in _FAMILIES:
        found[family] = _kind(paradigm.get(family)) if isinstance(paradigm, dict) else ""
    return found | {"policy": _kind(policy), "task": str(find_tasks(settings)[0].get("kind", ""))}


def _kind(part: Any) -> str:
    kind = part.get("kind", "") if isinstance(part, dict) else part
    return kind if isinstance(kind, str) else ""


def _read_rows(engine: Engine) -> list[dict[str, Any]]:
    with Session(engine) as session:
        columns = [getattr(Run, name) for name in _LIGHT]
        newest = select(*columns).order_by(col(Run.created).desc()).limit(MOST)
        rows = [dict(zip(_LIGHT, row, strict=True)) for row in session.exec(newest)]
        url = str(engine.url)
        unknown = [row["id"] for row in rows if (url, row["id"]) not in _parts]
        for start in range(0, len(unknown), 500):
            chosen = select(Run.id, Run.config).where(col(Run.id).in_(unknown[start : start + 500]))
            for run_id, config in session.exec(chosen):
                _parts[url, run_id] = list_parts(read_table(config) or {})
    return [row | _parts.get((url, row["id"]), {"paradigm": "", "task": ""}) for row in rows]


def _fits(row: dict[str, Any], query: Query) -> bool:
    words = query.text.lower().split()
    told = " ".join(str(row[name]) for name in ("name", "id", "tags", "note")).lower()
    tags = row["tags"].split(",")
    return (
        all(word in told for word in words)
        and (not query.states or row["state"] in query.states)
        and (not query.paradigms or row["paradigm"] in query.paradigms)
        and (not query.tasks or row["task"] in query.tasks)
        and (not query.tags or any(tag in tags for tag in query.tags))
        and (not query.sweep or row["sweep"] == query.sweep)
    )


def _seconds(row: dict[str, Any]) -> float:
    """As `Run.elapsed` counts; 0 before the start."""
    if row["started"] is None:
        return row["seconds"] or 0.0
    return Run.count_seconds(row["seconds"], row["started"], row["ended"] or database.now())


def _is_score(value: Any) -> bool:
    """A finite number; a damaged row may hold an integer beyond every float."""
    return isinstance(value, int | float) and abs(value) < 1e9


def _read_scores(engine: Engine, run_ids: Sequence[str]) -> dict[str, float]:
    found = {}
    with Session(engine) as session:
        for start in range(0, len(run_ids), 500):
            chosen = select(Run.id, Run.results).where(
                col(Run.id).in_(run_ids[start : start + 500])
            )
            for run_id, results in session.exec(chosen):
                after = (read_table(results) or {}).get("after")
                figures = after.get("greedy/exact_match") if isinstance(after, dict) else None
                if isinstance(figures, dict) and _is_score(figures.get("mean")):
                    found[run_id] = float(figures["mean"])
    return found
