"""The shell command that repeats what a form says: a recipe and only the differences from it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from memfactory_core.assignment import set_values
from memfactory_core.component import FAMILIES, kinds
from memfactory_core.config import RunConfig, build
from memfactory_core.errors import MemFactoryError


def find_assignments(recipe: Mapping[str, Any], config: RunConfig) -> list[str]:
    """The assignments `a.b=value` that make a recipe's plain values this configuration. What they come to is tried: a
    group that would come out otherwise (setting the task takes the evaluation task away) is written out whole."""
    wanted = config.dump()
    found = find_differences(build(recipe).dump(), wanted)
    for _ in wanted:
        wrong = _find_wrong(recipe, found, wanted)
        if not wrong:
            break
        found = [one for one in found if not _sets(one, wrong)] + [assign(wrong, wanted[wrong])]
    return found


def _sets(assignment: str, name: str) -> bool:
    return assignment.partition("=")[0].split(".")[0] == name


def _find_wrong(
    recipe: Mapping[str, Any], assignments: Sequence[str], wanted: Mapping[str, Any]
) -> str:
    """The first group that the assignments do not make what is wanted, "" where all are."""
    values = deepcopy(dict(recipe))
    set_values(values, assignments)
    try:
        found = build(values).dump()
    except MemFactoryError:  # a group that is not written out whole yet
        places = [assignment.partition("=")[0] for assignment in assignments]
        return next((place.split(".")[0] for place in places if "." in place), "")
    return next((name for name, value in wanted.items() if found[name] != value), "")


def find_differences(base: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> list[str]:
    """The `a.b=value` assignments that turn one configuration's plain values into the other's."""
    found: list[str] = []
    for key, value in new.items():
        place = f"{path}{key}"
        old = base.get(key)
        if value == old and key in base:
            continue
        if not isinstance(value, dict):
            found.append(assign(place, value))
        elif "kind" in value:
            known = isinstance(old, dict) and old.get("kind") == value["kind"]
            if not known:
                found.append(f"{place}={value['kind']}")
            start = old if known and isinstance(old, dict) else _defaults(value)
            found += find_differences(
                start, {k: v for k, v in value.items() if k != "kind"}, f"{place}."
            )
        elif isinstance(old, dict) and not set(old) - set(value):
            found += find_differences(old, value, f"{place}.")
        else:
            found.append(assign(place, value))
    return found


def assign(place: str, value: Any) -> str:
    """A value as `--set` reads it; a text that would be taken for JSON is written as JSON."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except ValueError:
            return f"{place}={value}"
    return f"{place}={json.dumps(value)}"


def _defaults(value: Mapping[str, Any]) -> dict[str, Any]:
    """What a part's kind alone would give."""
    for family in FAMILIES:
        part = kinds(family).get(value["kind"])
        if part is None or set(part.model_fields) != set(value) - {"kind"}:
            continue
        try:
            return part().model_dump(mode="json")
        except (ValueError, MemFactoryError):  # a part with required settings has no defaults
            return {}
    return {}


def write_command(recipe: str, assignments: Sequence[str], mode: str = "train") -> str:
    """The whole command, quoted for a shell, one setting a line."""
    verb = "train" if mode in ("train", "imitate", "rerank") else "eval"
    sets = [f"--set {shlex.quote(assignment)}" for assignment in assignments]
    return " \\\n  ".join([f"memfactory {verb} {shlex.quote(recipe)}", *sets])
