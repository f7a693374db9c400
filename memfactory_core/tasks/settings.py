"""The training task and the evaluation task as plain values, before they are parts: which file each reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def find_tasks(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tables of the training task and of the evaluation task, {} where there is none."""
    evaluation = values.get("evaluation")
    found = values.get("task"), evaluation.get("task") if isinstance(evaluation, dict) else None
    task, held_out = ({"kind": one} if isinstance(one, str) else one for one in found)
    return (
        task if isinstance(task, dict) else {},
        held_out if isinstance(held_out, dict) else {},
    )


def with_task(values: Mapping[str, Any], task: Mapping[str, Any]) -> dict[str, Any]:
    """Values with other settings of the training task; an evaluation task that read the same file follows to the new
    one."""
    before, held_out = find_tasks(values)
    same = held_out.get("kind") == before.get("kind") == task.get("kind")
    changed = {**values, "task": dict(task)}
    if same and held_out.get("path") and held_out["path"] == before.get("path"):
        followed = {**held_out, "path": task.get("path", "")}
        changed["evaluation"] = {**values["evaluation"], "task": followed}
    return changed


def reads_the_same(task: Mapping[str, Any], held_out: Mapping[str, Any]) -> bool:
    """Whether an evaluation task reads the training task's file, because it names none of its own."""
    same_kind = "kind" in held_out and held_out["kind"] == task.get("kind")
    return same_kind and "path" in task and not held_out.get("path")
