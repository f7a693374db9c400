"""The form that a stage of a training gives its task and its paradigm: some of their settings are others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from memfactory_core.component import Component, change_part
from memfactory_core.paradigms import Paradigm
from memfactory_core.policies.reinforcement import Stage
from memfactory_core.tasks import Task

PLACES = ("task", "paradigm", "extractor", "updater", "store", "retriever")
"""Where a configuration's plain values may name a part by its kind alone."""
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


def leave_stages(before: Mapping[str, Any], values: dict[str, Any]) -> bool:
    """Takes the stages of a training out of a configuration's plain values where, since `before`, a part of its task or
    paradigm has become one of another kind: what the stages change are settings of the old one. Whether it did."""
    training = values.get("training")
    if not isinstance(training, Mapping) or not training.get("stages"):
        return False
    was, now = ({name: one.get(name) for name in ("task", "paradigm")} for one in (before, values))
    if _kinds(was) == _kinds(now):
        return False
    values["training"] = {name: value for name, value in training.items() if name != "stages"}
    return True


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
        elif name in PLACES and isinstance(value, str):
            found[f"{place}.{name}"] = value  # a part that is named alone
        elif isinstance(value, Mapping):
            found |= _kinds(value, f"{place}.{name}")
    return found
