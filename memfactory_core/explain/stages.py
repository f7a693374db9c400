"""Which steps of a training had which form of the task, in words: a curve jumps where the form changes, and that is
neither learning nor forgetting."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from memfactory_core.types import Record


class Stretch(Record):
    """Steps of a training, `first` to `last`, that had one form of the task; `changed` are the settings in which it
    differed, {} where the task was as it stands."""

    first: int
    last: int
    changed: dict[str, Any]

    @property
    def task(self) -> str:
        """The form of the task in words."""
        told = ", ".join(
            f"{name.replace('_', ' ')} {value}" for name, value in self.changed.items()
        )
        return told or "the task as it stands"


def find_stretches(training: Mapping[str, Any]) -> list[Stretch]:
    """The stretches of a training with these plain settings, in order; [] where it has no stages."""
    stages = training.get("stages") or ()
    found: list[Stretch] = []
    done = 0
    for stage in stages:
        found.append(Stretch(first=done + 1, last=done + stage["steps"], changed=stage["task"]))
        done += stage["steps"]
    if found:
        found.append(Stretch(first=done + 1, last=training["steps"], changed={}))
    return found


def tell_stretches(stretches: list[Stretch]) -> str:
    """What was trained on when, in a sentence; "" where there are no stages."""
    if not stretches:
        return ""
    told = [f"steps {one.first:,} to {one.last:,}: {one.task}" for one in stretches]
    return f"Trained in stages ({'; '.join(told)}): where one ends, the curves jump because the task changes."


def starts(stretches: list[Stretch]) -> list[int]:
    """The first step of each stretch but the first: where the task changes."""
    return [after.first for _, after in pairwise(stretches)]
