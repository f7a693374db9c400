"""Which kinds of a family fit into a recipe, and why the others do not: each is put in and the configuration is
validated, as a run's is before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from memfactory_core.assembly.swap import Path, Swap, find_problems, swap_part
from memfactory_core.component import kinds

PLACES: dict[str, Path] = {
    "tasks": ("task",), "paradigms": ("paradigm",), "policies": ("policy",),
    "extractors": ("paradigm", "extractor"), "updaters": ("paradigm", "updater"),
    "stores": ("paradigm", "store"), "retrievers": ("paradigm", "retriever"),
}  # fmt: skip
"""The place of each family in a recipe where it has one of its own."""


@dataclass(frozen=True)
class Fit:
    """One kind at one place of a recipe."""

    kind: str
    summary: str
    swap: Swap
    """The recipe with it."""
    reason: str = ""
    """Why it does not fit; "" where it does."""


def find_fits(values: Mapping[str, Any], path: Path, family: str) -> list[Fit]:
    """Every kind of a family at a place of a recipe's whole plain values, by name. What is wrong with the recipe
    anyway does not speak against a kind."""
    already = set(find_problems(values))
    found = []
    for kind, part in kinds(family).items():
        swap = swap_part(values, path, family, kind)
        new = [problem for problem in swap.problems if problem not in already]
        reason = new[0].removeprefix("settings: ") if new else ""
        found.append(Fit(kind, part.summary(), swap, reason))
    return found
