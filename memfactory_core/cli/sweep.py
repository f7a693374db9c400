"""Sweeps: one recipe with every combination of some settings; illegal ones are refused with their reason."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from memfactory_core.config import RunConfig, load
from memfactory_core.endpoint.address import hide_credentials
from memfactory_core.errors import ConfigError


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
        name = ", ".join(part.split(".")[-1] for part in chosen)
        try:
            yield Cell(chosen, load(recipe, [*fixed, *chosen, f'name="{name}"']), "")
        except ConfigError as error:
            yield Cell(chosen, None, str(error))
