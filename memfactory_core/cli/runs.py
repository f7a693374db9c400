"""The list of runs from the shell, and what a person does to one: rename, tag, note, delete."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from memfactory_core.cli.foreground import open_database
from memfactory_core.cli.report import report
from memfactory_core.errors import RunError
from memfactory_core.runs import database
from memfactory_core.runs.deletion import delete_run, list_heirs
from memfactory_core.runs.labels import note_run, rename_run, tag_run
from memfactory_core.runs.search import (
    MOST,
    Query,
    Sort,
    count_runs,
    find_runs,
    search_runs,
)
from memfactory_core.text import one_line

Several = list[str] | None
MOST_LISTED = 200
"""Runs that `ls` prints at most."""


def list_runs(
    text: Annotated[str, typer.Option(help="Words in the name, the id, a tag or the note.")] = "",
    state: Annotated[Several, typer.Option(help="Runs in this state. May be repeated.")] = None,
    paradigm: Annotated[Several, typer.Option(help="Of this paradigm. May be repeated.")] = None,
    task: Annotated[Several, typer.Option(help="Trained on this task. May be repeated.")] = None,
    tag: Annotated[Several, typer.Option(help="With this tag. May be repeated.")] = None,
    sort: Annotated[Sort, typer.Option(help="The order.")] = "newest",
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the runs, newest first."""
    connection = open_database()
    query = Query(text, state or (), paradigm or (), task or (), tag or (), sort=sort)
    found = search_runs(connection, query)
    runs = find_runs(connection, found[:MOST_LISTED])
    _tell_what_is_left_out(len(found) - MOST_LISTED, count_runs(connection) - MOST)
    if json_:
        print(json.dumps([report(run) for run in runs], indent=2))
        return
    for run in runs:
        line = f"{run.id}  {run.state:9}  {run.step:>5}/{run.steps:<5}  {run.name}"
        line += f"  [{', '.join(run.tag_list)}]" if run.tags else ""
        print(one_line(line + (f"  ({run.fault})" if run.fault else "")))
    if not runs:
        print("no such run" if count_runs(connection) else "no runs yet; try: memfactory demo")


def _tell_what_is_left_out(more: int, older: int) -> None:
    """Beside the list, so that a program can still read it."""
    if more > 0:
        narrow = "narrow it down with --text, --state, --paradigm, --task or --tag"
        print(f"{more:,} more that are not listed: {narrow}", file=sys.stderr)
    if older > 0:
        print(f"{older:,} runs that are older were not looked through", file=sys.stderr)


def rename(run_id: str, name: str) -> None:
    """Give a run another name."""
    run = rename_run(open_database(), run_id, name)
    print(one_line(f"{run.id}  {run.name}"))


def tag(
    run_id: str,
    tags: Annotated[Several, typer.Argument(help="Tags to add.")] = None,
    remove: Annotated[Several, typer.Option(help="A tag to take away. May be repeated.")] = None,
) -> None:
    """Add tags to a run, take some away, or show them."""
    run = tag_run(open_database(), run_id, tags or (), remove or ())
    print(one_line(f"{run.id}  {', '.join(run.tag_list) or 'no tags'}"))


def note(
    run_id: str,
    text: Annotated[str | None, typer.Argument(help="The note; empty takes it away.")] = None,
) -> None:
    """Keep a note with a run, or show it."""
    connection = open_database()
    run = database.get_run(connection, run_id)
    if text is not None:
        run = note_run(connection, run_id, text)
    print(run.note or f"{run.id}  no note")


def delete(
    run_id: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a run with its episodes, curves and weights; one that works or waits is refused."""
    connection = open_database()
    run = database.get_run(connection, run_id)
    heirs = [heir.name for heir in list_heirs(connection, run.id)]
    if heirs:
        told = f"{len(heirs)} other runs start from its weights: {', '.join(heirs[:5])}"
        print(one_line(told), file=sys.stderr)
    if not yes:
        if not sys.stdin.isatty():
            raise RunError(f"deleting {run.id} cannot be undone: say --yes")
        typer.confirm(f"Delete {one_line(run.name)} ({run.id}) for good?", abort=True)
    delete_run(connection, run.id)
    print(one_line(f"deleted {run.id}  {run.name}"))
