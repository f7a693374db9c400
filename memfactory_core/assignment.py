"""Assignments `a.b.c=value` on the plain values of a configuration, what `--set` and the browser's command say; and
what is wrong with such values, in a line for each problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from pydantic import ValidationError

from memfactory_core.endpoint.address import hide_credentials
from memfactory_core.errors import ConfigError
from memfactory_core.paradigms.stages import leave_stages
from memfactory_core.tasks.settings import find_tasks, reads_the_same
from memfactory_core.text import DEEPEST, parse_json

_UNSHOWN = {"url", "base_url", "key_variable", "storage"}
"""Settings into which a key is written by mistake: messages do not repeat them."""
LONGEST_SHOWN = 120
"""Characters of a value that an error message repeats."""


def set_value(values: dict[str, Any], assignment: str) -> None:
    """Carries out one `a.b.c=value` on plain values. The value is JSON where it parses as JSON, else text;
    setting a part to another kind drops the settings of the old kind."""
    path, equals, raw = assignment.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys) or len(keys) > DEEPEST:
        raise ConfigError(f"--set wants a.b=value, got {hide_credentials(assignment)[:120]!r}")
    try:
        value = parse_json(raw)
    except ValueError:
        value = raw
    place = values
    for key in keys[:-1]:
        inner = place.get(key)
        if isinstance(inner, str):
            inner = {"kind": inner}
        if keys[0] == "reward" and isinstance(inner, int | float):
            inner = {"weight": inner}  # a measure that so far had no settings
        place[key] = inner = {} if inner is None else inner
        if not isinstance(inner, dict):
            raise ConfigError(
                f"--set {hide_credentials(path)}: {key!r} is a single value, it has no settings"
            )
        place = inner
    if keys[-1] == "kind" and place.get("kind", value) != value:
        place.clear()
    place[keys[-1]] = value


def set_values(values: dict[str, Any], assignments: Sequence[str]) -> None:
    """Carries out assignments on plain values. Who sets the task and names no evaluation task wants to be
    measured on it: an evaluation task that was there before goes, unless it reads the same file as before. The
    stages of a training go with the kind of a part that they might change."""
    task, held_out = find_tasks(values)
    same = "path" in task and task["path"] == held_out.get("path")
    shared = held_out.pop("path") if same else None  # `_same_file` fills it in again
    before = deepcopy(values)
    for assignment in kinds_first(assignments):
        set_value(values, assignment)
    if not any(setting_name(one).startswith("training.stages") for one in assignments):
        leave_stages(before, values)
    task, after = find_tasks(values)
    if reads_the_same(task, after):
        return
    names = [setting_name(assignment).split(".") for assignment in assignments]
    chosen = any(name == ["evaluation"] or name[:2] == ["evaluation", "task"] for name in names)
    if after and not chosen and any(name[0] == "task" for name in names):
        values["evaluation"].pop("task")
    elif after is held_out and shared is not None:
        held_out.setdefault("path", shared)


def kinds_first(assignments: Sequence[str]) -> list[str]:
    """The assignments, each kind before what was set of its part: another kind drops the settings of the old
    one, and those that are named beside it are meant for the new."""
    ordered: list[str] = []
    for assignment in assignments:
        name, place = setting_name(assignment), len(ordered)
        if name.endswith(".kind"):
            for earlier in range(len(ordered) - 1, -1, -1):
                before = setting_name(ordered[earlier])
                if before == name or name.startswith(f"{before}."):
                    break  # the kind or the whole part was set there; the later one holds
                if before.startswith(name.removesuffix("kind")):
                    place = earlier
        ordered.insert(place, assignment)
    return ordered


def setting_name(assignment: str) -> str:
    """The name that an assignment `a.b=value` sets."""
    return assignment.partition("=")[0].strip()


def flatten(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested settings by their places, `a.b`; an empty table is a value."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        place = f"{before}{name}"
        found |= (
            flatten(value, f"{place}.") if isinstance(value, dict) and value else {place: value}
        )
    return found


def explain(error: ValidationError) -> list[str]:
    """One line for each problem of a validation: the setting's path and what is wrong with it."""
    return [
        f"{'.'.join(str(part) for part in problem['loc'])[:LONGEST_SHOWN] or 'settings'}: "
        f"{problem['msg'].removeprefix('Value error, ')}" + _got(problem["input"], problem["loc"])
        for problem in error.errors()
    ]


def _got(value: Any, place: Sequence[Any]) -> str:
    if not isinstance(value, str | int | float) or set(place[-2:]) & _UNSHOWN:
        return ""
    if isinstance(value, int) and value.bit_length() > 1000:
        return " (got a number of hundreds of digits)"  # Python refuses to write the longest ones
    text = hide_credentials(repr(value))
    return f" (got {text[:LONGEST_SHOWN]}{'...' if len(text) > LONGEST_SHOWN else ''})"
