"""Two runs compared from the shell: paired differences, flipped examples, causes, settings that differ, cost."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from memfactory_core.cli.foreground import open_database
from memfactory_core.cli.report import about, bounds, setting_lines
from memfactory_core.runs.attempts import Side, find_side, read_attempts
from memfactory_core.runs.comparison import (
    Comparison,
    Cost,
    Flip,
    compare_sides,
    count_cost,
    differing_settings,
)
from memfactory_core.text import one_line

LISTED = 10
"""Flipped examples that are listed without `--flips`."""


def compare(
    first: Annotated[str, typer.Argument(help="A run; RUN@before is what it was before training.")],
    second: Annotated[str, typer.Argument(help="The run that is compared with it.")],
    phase: Annotated[
        str, typer.Option(help="Which attempts: after/greedy, after/sampled, ...")
    ] = "after/greedy",
    flips: Annotated[bool, typer.Option("--flips", help="List every flipped example.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare two runs on the examples that both attempted: differences with intervals, what flipped, and why."""
    connection = open_database()
    sides = [find_side(connection, name, phase) for name in (first, second)]
    attempts = [read_attempts(connection, side) for side in sides]
    result = compare_sides(sides[0], sides[1], attempts[0], attempts[1])
    costs = [count_cost(sides[0].run, result.first), count_cost(sides[1].run, result.second)]
    if json_:
        print(json.dumps(_plain(sides, result, costs), indent=2))
        return
    _print(sides, result, costs, None if flips else LISTED)


def _plain(sides: list[Side], result: Comparison, costs: list[Cost]) -> dict[str, Any]:
    return {
        "first": sides[0].key, "second": sides[1].key, "phases": [side.phase for side in sides],
        "examples": {
            "shared": result.shared, "only_first": result.only_first, "only_second": result.only_second,
        },
        "scores": result.scores,
        "flips": [
            {
                "example": flip.example, "question": flip.first.question,
                "first": flip.right_first, "second": flip.right_second,
                "episodes": [flip.first.episode, flip.second.episode],
            }
            for flip in result.flips()
        ],
        "causes": {cause: list(counts) for cause, counts in result.causes().items()},
        "settings": differing_settings([side.run for side in sides]),
        "cost": [cost._asdict() for cost in costs],
    }  # fmt: skip


def _print(sides: list[Side], result: Comparison, costs: list[Cost], most: int | None) -> None:
    phases = " and ".join(dict.fromkeys(side.phase for side in sides))
    print(f"{phases:16}{'first':>10}{'second':>10}{'difference':>14}  95% interval")
    for name, row in result.scores.items():
        print(
            f"{name:16}{row['first']:10.3f}{row['second']:10.3f}{row['difference']:+14.3f}  "
            f"{bounds(row, '+.3f')} n={row['n']}{about(row)}"
        )
    print("intervals: bootstrap over whole texts; n=N/T is N examples about T texts")
    print(
        f"examples: {result.shared} shared, {result.only_first} of the first alone, {result.only_second} of the "
        "second alone"
    )
    found = result.flips()
    gained = sum(flip.gained for flip in found)
    print(f"flipped: {gained} gained, {len(found) - gained} lost by the second")
    for flip in found[:most]:
        print(one_line(_flip_line(flip)))
    if most is not None and len(found) > most:
        print(f"  and {len(found) - most} more; --flips lists all")
    for cause, (one, other) in result.causes().items():
        print(f"cause: {cause:16}{one:6}{other:6}")
    for path, values in differing_settings([side.run for side in sides]).items():
        print(one_line(f"setting: {path}  {json.dumps(values[0])}  {json.dumps(values[1])}"))
    for name, side, cost in zip(("first", "second"), sides, costs, strict=True):
        print(f"{name}: {cost_line(cost)}")
        for line in setting_lines(side.run):
            print(f"{name}: {line}")


def _flip_line(flip: Flip) -> str:
    said = f"{flip.first.answer[:40]!r} -> {flip.second.answer[:40]!r}"
    share = f"{flip.right_first:.2f} -> {flip.right_second:.2f}"
    return f"  {flip.example}  {share}  {flip.first.question[:80]}  {said}"


def cost_line(cost: Cost) -> str:
    """What a side took, in words."""
    read, written = (
        "uncounted" if count is None else f"{count:,.0f}" for count in (cost.read, cost.written)
    )
    return (
        f"cost of an episode: {cost.calls:.1f} calls, {read} tokens read, {written} written; the run took "
        f"{cost.seconds:.0f} s"
    )
