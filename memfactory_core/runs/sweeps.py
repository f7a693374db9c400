"""Sweeps: one recipe with every combination of some settings; illegal ones are refused with their reason. The runs
of a sweep know that they are its cells, so that it can be laid out as a matrix later."""

from __future__ import annotations

import itertools
import json
import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from memfactory_core.config import RunConfig, load, lost_stages
from memfactory_core.endpoint.address import hide_credentials
from memfactory_core.errors import ConfigError
from memfactory_core.runs import jobs
from memfactory_core.runs.tables import Run, read_table


class Cell(NamedTuple):
    """One combination: its assignments, its configuration or why it is refused."""

    assignments: tuple[str, ...]
    config: RunConfig | None
    refusal: str


def parse_grid(grids: Sequence[str]) -> list[list[str]]:
    """`a.b=x,y` becomes [["a.b=x", "a.b=y"]]. ConfigError where one is not of that form."""
    parsed = []
    for grid in grids:
        path, equals, values = grid.partition("=")
        if not equals or not path or not all(values.split(",")):
            raise ConfigError(f"--grid wants a.b=value,value, got {hide_credentials(grid)!r}")
        parsed.append([f"{path}={value}" for value in values.split(",")])
    return parsed


def cells(recipe: str, grids: Sequence[str], fixed: Sequence[str] = ()) -> Iterator[Cell]:
    """Every combination in order. The recipe itself must load; ConfigError where it does not."""
    load(recipe, fixed)
    for chosen in itertools.product(*parse_grid(grids)):
        yield _make_cell(recipe, chosen, fixed)


def tell_unlike(recipe: str, cells: Sequence[Cell]) -> str:
    """That some cells train in the recipe's stages and others cannot, in a sentence; "" where all are alike."""
    made = [cell.config for cell in cells if cell.config and cell.config.mode == "train"]
    lost = sum(lost_stages(recipe, config) for config in made)
    if not 0 < lost < len(made):
        return ""
    return (
        f"{lost} of {len(made)} combinations train without the recipe's stages, which change settings of parts that "
        "these do not have: to compare like with like set training.stages=[] for all"
    )


def _make_cell(recipe: str, chosen: tuple[str, ...], fixed: Sequence[str]) -> Cell:
    name = ", ".join(part.split(".")[-1] for part in chosen)
    try:
        return Cell(chosen, load(recipe, [*fixed, *chosen, f'name="{name}"']), "")
    except ConfigError as error:
        return Cell(chosen, None, str(error))


class Plan(NamedTuple):
    """What makes a sweep: a recipe, a grid and the settings that are the same in every cell."""

    recipe: str
    grid: tuple[str, ...]
    fixed: tuple[str, ...] = ()

    def cells(self) -> list[Cell]:
        """Every combination in order. ConfigError where the recipe or the grid does not hold."""
        return list(cells(self.recipe, self.grid, self.fixed))


class Sweep(NamedTuple):
    """A sweep that was begun: its id, what made it, and its runs by their assignments, the latest of each."""

    id: str
    plan: Plan
    runs: dict[tuple[str, ...], Run]

    @property
    def axes(self) -> list[tuple[str, list[str]]]:
        """Each setting that varies with its values, in their order."""
        found = []
        for assignments in parse_grid(self.plan.grid):
            path = assignments[0].partition("=")[0]
            found.append((path, [assignment.partition("=")[2] for assignment in assignments]))
        return found

    def refusals(self) -> dict[tuple[str, ...], str]:
        """Why the cells without a run have none, as far as it is known."""
        every = itertools.product(*parse_grid(self.plan.grid))
        missing = [chosen for chosen in every if chosen not in self.runs]
        found = [_make_cell(self.plan.recipe, chosen, self.plan.fixed) for chosen in missing]
        return {cell.assignments: cell.refusal for cell in found if cell.refusal}


def new_sweep() -> str:
    """The id of a sweep that is about to begin."""
    return time.strftime("sweep-%m%d-%H%M%S-") + secrets.token_hex(2)


def begin_cell(engine: Engine, sweep: str, plan: Plan, cell: Cell) -> Run:
    """The run of a legal cell, started. ConfigError or RunError where something that it needs is not here; no run is
    left then."""
    if cell.config is None:
        raise ConfigError(cell.refusal)
    kept = json.dumps({**plan._asdict(), "chosen": cell.assignments})
    return jobs.begin(engine, cell.config, sweep=sweep, cell=kept)


def begin_sweep(engine: Engine, plan: Plan) -> str:
    """Begins every legal cell at once; they wait for their device in the queue. The sweep's id. ConfigError where no
    cell is legal."""
    legal = [cell for cell in plan.cells() if cell.config]
    if not legal:
        raise ConfigError("no cell of this sweep is legal: choose other values")
    for cell in legal:
        if cell.config:
            jobs.refuse_start(engine, cell.config)
    sweep = new_sweep()
    for cell in legal:
        begin_cell(engine, sweep, plan, cell)
    return sweep


def list_sweeps(engine: Engine, limit: int = 100) -> list[Sweep]:
    """The sweeps that there are, the newest first."""
    with Session(engine) as session:
        chosen = select(Run).where(Run.sweep != "").order_by(col(Run.created).desc()).limit(10_000)
        runs = list(session.exec(chosen))
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.sweep, []).append(run)
    return [sweep for name, its in list(found.items())[:limit] if (sweep := _read(name, its))]


def find_sweep(engine: Engine, sweep_id: str) -> Sweep | None:
    """One sweep, None where there is none of this id."""
    with Session(engine) as session:
        chosen = select(Run).where(Run.sweep == sweep_id).order_by(col(Run.created).desc())
        return _read(sweep_id, list(session.exec(chosen)))


def _read(sweep_id: str, runs: Sequence[Run]) -> Sweep | None:
    """The sweep of its runs, the newest first; None where none of them says what made it."""
    plan: Plan | None = None
    found: dict[tuple[str, ...], Run] = {}
    for run in runs:
        values = _plain(run.cell)
        if values:
            plan = plan or Plan(values["recipe"], tuple(values["grid"]), tuple(values["fixed"]))
            found.setdefault(tuple(values["chosen"]), run)
    return Sweep(sweep_id, plan, found) if plan else None


def _plain(text: str) -> dict[str, Any]:
    values = read_table(text) or {}
    lists = ("grid", "fixed", "chosen")
    whole = isinstance(values.get("recipe"), str)
    return values if whole and all(isinstance(values.get(name), list) for name in lists) else {}
