"""The form that a stage of a training gives its task and its paradigm: some of their settings are others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from memfactory_core.component import Component, change_part
from memfactory_core.paradigms import Paradigm
from memfactory_core.policies.reinforcement import Stage
from memfactory_core.tasks import Task

Changed = TypeVar("Changed", bound=Component)


class Form(NamedTuple):
    """The `steps` of a training that have one form of its task and its paradigm."""

    steps: int
    task: Task
    paradigm: Paradigm


def form_of(stage: Stage, task: Task, paradigm: Paradigm) -> Form:
    """The form of a stage. ValueError where a setting does not fit, a part would be of another kind, or the task would
    read another file: what is held out and who answers are the same in all stages."""
    form = Form(stage.steps, _change(task, stage.task), _change(paradigm, stage.paradigm))
    if form.task.files() != task.files():
        raise ValueError("a stage reads the files of the task, none of its own")
    return form


def _change(part: Changed, changes: Mapping[str, Any]) -> Changed:
    before = part.model_dump(mode="json")
    after = type(part).model_validate(change_part(before, dict(changes)))
    if _kinds(after.model_dump(mode="json")) != _kinds(before):
        raise ValueError("a stage changes settings, no kinds of parts")
    return after


def _kinds(values: Mapping[str, Any], place: str = "") -> dict[str, Any]:
    """The kinds of a part and of the parts in it, by their places."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name == "kind":
            found[place] = value
        elif isinstance(value, Mapping):
            found |= _kinds(value, f"{place}.{name}")
    return found
