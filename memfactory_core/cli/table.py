"""Several runs' scores as one table, for the shell and for the page that shows the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from memfactory_core.cli.foreground import open_database
from memfactory_core.cli.report import judge_lines, measured_lines, setting_lines
from memfactory_core.errors import ConfigError, RunError
from memfactory_core.runs import database
from memfactory_core.runs.score_table import collect_scores, score_names, shown_in
from memfactory_core.runs.table_formats import Format, write_table
from memfactory_core.runs.tables import Run


def table(
    run_ids: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="The runs, in their order.")
    ],
    format_: Annotated[Format, typer.Option("--format", help="How it is written.")] = "text",
    scores: Annotated[str, typer.Option(help="Scores, with commas; all for every one.")] = "",
    categories: Annotated[bool, typer.Option(help="Rows for each category of questions.")] = True,
) -> None:
    """Print the scores of runs as one table: text, CSV, JSON, LaTeX or Markdown."""
    connection = open_database()
    runs = [database.get_run(connection, run_id) for run_id in run_ids]
    print(table_of(runs, format_, scores.split(",") if scores else (), categories), end="")


def table_of(
    runs: Sequence[Run], format_: Format, scores: Sequence[str] = (), categories: bool = True
) -> str:
    """The table of runs with its notes. Without `scores` CSV and JSON hold all of them, the others the few that belong
    to a short table; `["all"]` means all. RunError where no run was measured yet, ConfigError for a score that
    none of them has."""
    rows, shown = collect_scores(runs, categories), shown_in(runs)
    if not rows:
        raise RunError("none of these runs has scores yet: wait for an evaluation to end")
    known = score_names(rows, shown)
    names = score_names(rows, shown, short=format_ not in ("csv", "json"))
    if list(scores) == ["all"]:
        names = known
    elif scores:
        names = list(scores)
        if unknown := [name for name in names if name not in known]:
            raise ConfigError(f"no score called {unknown[0]!r} here; known: {', '.join(known)}")
    return write_table(rows, names, format_, shown, table_notes(runs))


def table_notes(runs: Sequence[Run]) -> list[str]:
    """What else decides the scores, each said once: with the runs' names where they differ."""
    told: dict[str, list[str]] = {}
    for run in runs:
        for line in [*setting_lines(run), *judge_lines(run), *measured_lines(run)]:
            told.setdefault(line, []).append(run.name)
    if not any(line.startswith("intervals:") for line in told):
        told["intervals: 95%, bootstrap over whole texts"] = [run.name for run in runs]
    return [
        line if len(names) == len(runs) else f"{', '.join(dict.fromkeys(names))}: {line}"
        for line, names in told.items()
    ]
