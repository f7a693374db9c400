"""The scores of several runs as one table: a row for each run, decoding and category, each score a mean with its
interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from memfactory_core.rewards.shown import Shown
from memfactory_core.runs.attempts import WHENS
from memfactory_core.runs.tables import Run
from memfactory_core.scoring.intervals import Interval
from memfactory_core.tasks.settings import find_tasks

ALL = "all"
"""The category of a row that is about every question."""


class ScoreRow(NamedTuple):
    """One line of the table. `when` is one of WHENS, "" where nothing was trained; `decoding` is greedy or
    avg@k, or the retriever's name in the modes that compare retrievers."""

    run: str
    name: str
    when: str
    task: str
    decoding: str
    category: str
    scores: dict[str, Interval]


def collect_scores(runs: Iterable[Run], categories: bool = True) -> list[ScoreRow]:
    """The rows of runs in their order; those of single categories come after the one of all, and only where
    `categories`."""
    rows = [row for run in runs for row in _rows(run)]
    return [row for row in rows if categories or row.category == ALL]


def _rows(run: Run) -> list[ScoreRow]:
    found: dict[tuple[str, str, str], dict[str, Interval]] = {}
    retrieval = run.mode in ("retrieve", "rerank")
    for when, scores in run.summary.items():
        for path, figures in scores.items():
            parts = path.split("/", 2)
            if len(parts) < 2 or (retrieval and len(parts) < 3):
                continue
            decoding, name = parts[:2]
            category = parts[2] if len(parts) == 3 else ALL
            if retrieval:
                name, category = category, name
            found.setdefault((when, decoding, category), {})[name] = figures
    learned = run.mode not in ("evaluate", "retrieve")
    decodings = list(dict.fromkeys(decoding for _, decoding, _ in found))

    def place(key: tuple[str, str, str]) -> Any:
        when, decoding, category = key
        return (decodings.index(decoding), category != ALL, category, WHENS.index(when))

    named = {"greedy": "greedy", "sampled": f"avg@{_samples(run)}"}
    return [
        ScoreRow(
            run.id, run.name, when if learned else "", describe_task(run),
            decoding if retrieval else named.get(decoding, decoding), category, found[key],
        )
        for key in sorted((key for key in found if key[0] in WHENS), key=place)
        for when, decoding, category in [key]
    ]  # fmt: skip


def _samples(run: Run) -> Any:
    evaluation = run.settings.get("evaluation")
    return evaluation.get("samples", "k") if isinstance(evaluation, dict) else "k"


def describe_task(run: Run) -> str:
    """What a run is measured on: the task's kind, and its file's name where it reads one."""
    task, held_out = find_tasks(run.settings)
    task = held_out or task
    file = Path(str(task.get("path") or "")).name
    return f"{task.get('kind', 'unknown')}{f', {file}' if file else ''}"


def score_names(rows: Sequence[ScoreRow], shown: Shown, short: bool = False) -> list[str]:
    """The scores that any row has, in the order of their parts, the reward last; the few that a narrow table shows
    where `short`."""
    names = {name for row in rows for name in row.scores}
    listed = [name for name in shown.in_order(names) if name != "reward"]
    if short:
        listed = shown.short(listed)
    return [*listed, *(["reward"] if "reward" in names else [])]


def shown_in(runs: Iterable[Run]) -> Shown:
    """The looks of the scores of several runs."""
    table: dict[str, Any] = {}
    for run in runs:
        table = run.settings.get("reward", {}) | table
    return Shown(table)
