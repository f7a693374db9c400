"""A sweep from the shell: a recipe with every combination of settings, one run after the other, as one table."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from memfactory_core.cli.foreground import open_database, wait_for
from memfactory_core.cli.report import report, sweep_line
from memfactory_core.runs.sweeps import Plan, begin_cell, new_sweep, tell_unlike
from memfactory_core.text import one_line


def sweep(
    recipe: str,
    grid: Annotated[list[str], typer.Option(help="A setting and its values: a.b=x,y. Repeatable.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override a setting: a.b=value. May be repeated."),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Run a recipe with every combination of settings, one after the other, and print one table."""
    plan, name, rows = Plan(recipe, tuple(grid), tuple(set_ or ())), new_sweep(), []
    cells = plan.cells()
    if unlike := tell_unlike(plan.recipe, cells):
        print(one_line(unlike), file=sys.stderr)
    for cell in cells:
        row: dict[str, Any] = {"settings": list(cell.assignments), "refused": cell.refusal}
        if cell.config:
            run = begin_cell(open_database(), name, plan, cell)
            row |= report(wait_for(run.id, quiet=True))
        rows.append(row)
        if not json_:
            print(one_line(sweep_line(row)), flush=True)
    if json_:
        print(json.dumps(rows, indent=2))
