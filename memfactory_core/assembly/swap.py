"""A part is changed for another kind: settings of the same name keep their value where it is valid in the new part.

What stood at its old kind's default follows the new kind's, for it was nobody's wish: choosing LanceDB keeps a bank of
three memories a bank of three, and leaves a bank of the usual size at the usual size of LanceDB's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from pydantic import BaseModel, ValidationError

from memfactory_core.assembly.schema import default_of, list_parts
from memfactory_core.assignment import explain
from memfactory_core.component import Component, find
from memfactory_core.config import RunConfig
from memfactory_core.paradigms.stages import leave_stages
from memfactory_core.tasks.settings import find_tasks

Path = tuple[str, ...]
"""Where a part stands in a configuration: ("paradigm", "store")."""


@dataclass
class Swap:
    """A configuration's plain values with one part changed, and what became of the old part's settings."""

    values: dict[str, Any]
    kept: dict[str, Any] = field(default_factory=dict)
    """Settings that keep their value, by their place below the part."""
    reset: dict[str, Any] = field(default_factory=dict)
    """Settings that lost theirs (the old value), for the new part has none of that name or refuses it."""
    stayed: list[str] = field(default_factory=list)
    """Of a paradigm, parts that stayed what they were, for those of the new paradigm do not fit."""
    problems: list[str] = field(default_factory=list)
    """What is wrong with the values."""
    measured_anew: bool = False
    """Whether what was measured before went with the old task: the new one is measured on its own held-out part."""
    unstaged: bool = False
    """Whether the stages of the training went with the old part, whose settings they change."""


def find_problems(values: Mapping[str, Any]) -> list[str]:
    """What is wrong with a configuration's plain values, a line for each; nothing where it can be started."""
    try:
        RunConfig.model_validate(values)
    except ValidationError as error:
        return explain(error)
    return []


def swap_part(values: Mapping[str, Any], path: Path, family: str, kind: str | None) -> Swap:
    """The configuration with the part at `path` changed to `kind`; None takes an optional part out. `values` are whole,
    as `RunConfig.dump` and a form give them. Of a paradigm the parts are the new one's own, unless
    they do not fit: then as few of the old ones as possible stay. Another task is measured on itself, as where `--set`
    names one."""
    old = read_at(values, path)
    if kind is None:
        swap = Swap(write_at(values, path, None))
    elif family == "paradigms" and isinstance(old, Mapping):
        return _swap_paradigm(values, path, old, kind)
    else:
        part, kept, reset = carry_over(family, old if isinstance(old, Mapping) else None, kind)
        swap = Swap(write_at(values, path, part), kept, reset)
        if path == ("task",) and find_tasks(values)[1].get("kind", kind) != kind:
            swap.values = write_at(swap.values, ("evaluation", "task"), None)
            swap.measured_anew = True
    swap.unstaged = leave_stages(values, swap.values)
    swap.problems = find_problems(swap.values)
    return swap


def carry_over(
    family: str, old: Mapping[str, Any] | None, kind: str
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """A part of another kind as plain values, the settings that it keeps of the old one, and those that are lost."""
    start = read_defaults(find(family, kind))
    if old is None or "kind" not in old:
        return start, {}, {}
    if old["kind"] == kind:
        return dict(old), {}, {}
    return _carry(family, old, read_defaults(find(family, old["kind"])), start)


def read_defaults(model: type[Component]) -> dict[str, Any]:
    """A kind with its default settings as plain values; a setting without a default is empty."""
    found: dict[str, Any] = {"kind": model.kind}
    for name, setting in model.model_fields.items():
        found[name] = "" if setting.is_required() else default_of(setting)
    return found


def _carry(
    family: str, old: Mapping[str, Any], before: Mapping[str, Any], start: Mapping[str, Any],
    also: Iterable[str] = (),
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:  # fmt: skip
    """`start` with what was set in `old`, beside its defaults `before`; `also` names settings that are kept although
    they stand at their default."""
    model = find(family, start["kind"])
    new, kept, reset = dict(start), {}, {}
    for name, value in old.items():
        if name == "kind" or (value == before.get(name) and name not in also):
            continue
        if name in new and _is_valid(model, new, name, value):
            new[name] = value
            kept[name] = value
        else:
            reset[name] = value
    return new, kept, reset


def _is_valid(model: type[BaseModel], values: Mapping[str, Any], name: str, value: Any) -> bool:
    try:
        model.model_validate(
            {key: one for key, one in values.items() if key != "kind"} | {name: value}
        )
    except ValidationError as error:
        return not any(not one["loc"] or one["loc"][0] == name for one in error.errors())
    return True


def _swap_paradigm(
    values: Mapping[str, Any], path: Path, old: Mapping[str, Any], kind: str
) -> Swap:
    """First with the new paradigm's own parts and defaults; where that is refused, with more and more of the old."""
    parts = list(list_parts(find("paradigms", kind)))
    before = find("paradigms", old["kind"])
    plain = [name for name in old if name != "kind" and name not in list_parts(before)]
    first: Swap | None = None
    for count in range(len(parts) + 1):
        for stay in combinations(parts, count):
            for also in ((), plain):
                swap = _paradigm_with(values, path, old, kind, stay, also)
                if not swap.problems:
                    return swap
                first = first or swap
    assert first is not None
    return first


def _paradigm_with(
    values: Mapping[str, Any], path: Path, old: Mapping[str, Any], kind: str,
    stay: Sequence[str], also: Sequence[str],
) -> Swap:  # fmt: skip
    before, start = (read_defaults(find("paradigms", name)) for name in (old["kind"], kind))
    parts = list_parts(find("paradigms", kind))
    plain = {name: value for name, value in old.items() if name not in parts}
    new, kept, reset = _carry("paradigms", plain, before, start, also)
    stayed = []
    for name, family in parts.items():
        was = old.get(name)
        if not isinstance(was, Mapping):
            continue
        if name in stay or was["kind"] == new[name]["kind"]:
            stayed += [name] if was["kind"] != new[name]["kind"] else []
            new[name] = dict(was)
            continue
        theirs = before.get(name) or {}
        usual = (
            theirs
            if theirs.get("kind") == was["kind"]
            else read_defaults(find(family, was["kind"]))
        )
        new[name], more, less = _carry(family, was, usual, start[name])
        kept |= {f"{name}.{setting}": value for setting, value in more.items()}
        reset |= {f"{name}.{setting}": value for setting, value in less.items()}
    changed = write_at(values, path, new)
    unstaged = leave_stages(values, changed)
    return Swap(changed, kept, reset, stayed, find_problems(changed), unstaged=unstaged)


def read_at(values: Mapping[str, Any], path: Path) -> Any:
    """What stands at a place, as a table where it is a part named by its kind; None where nothing does."""
    found: Any = values
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return {"kind": found} if isinstance(found, str) and path[0] != "roles" else found


def write_at(values: Mapping[str, Any], path: Path, part: Any) -> dict[str, Any]:
    """Values in which `part` stands at a place; the old ones stay as they are."""
    key, *rest = path
    if not rest:
        return {**values, key: part}
    inner = values.get(key)
    return {**values, key: write_at(inner if isinstance(inner, Mapping) else {}, tuple(rest), part)}
