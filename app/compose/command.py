"""The shell command that repeats what a form says: a recipe and only the differences from it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from memfactory_core.component import FAMILIES, kinds
from memfactory_core.errors import MemFactoryError


def differences(base: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> list[str]:
    """The `a.b=value` assignments that turn one configuration's plain values into the other's."""
    found: list[str] = []
    for key, value in new.items():
        place = f"{path}{key}"
        old = base.get(key)
        if value == old and key in base:
            continue
        if not isinstance(value, dict):
            found.append(f"{place}={_written(value)}")
        elif "kind" in value:
            known = isinstance(old, dict) and old.get("kind") == value["kind"]
            if not known:
                found.append(f"{place}={value['kind']}")
            start = old if known and isinstance(old, dict) else _defaults(value)
            found += differences(
                start, {k: v for k, v in value.items() if k != "kind"}, f"{place}."
            )
        elif isinstance(old, dict) and not set(old) - set(value):
            found += differences(old, value, f"{place}.")
        else:
            found.append(f"{place}={json.dumps(value)}")
    return found


def _written(value: Any) -> str:
    """A value as `--set` reads it; a text that would be taken for JSON is written as JSON."""
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        json.loads(value)
    except ValueError:
        return value
    return json.dumps(value)


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


def command_line(recipe: str, assignments: list[str], mode: str = "train") -> str:
    """The whole command, quoted for a shell, one setting a line."""
    verb = "train" if mode in ("train", "imitate", "rerank") else "eval"
    sets = [f"--set {shlex.quote(assignment)}" for assignment in assignments]
    return " \\\n  ".join([f"memfactory {verb} {shlex.quote(recipe)}", *sets])
