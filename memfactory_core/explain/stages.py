"""Which steps of a training had which form of task and paradigm, in words: a curve jumps where it changes, and that is
neither learning nor forgetting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from memfactory_core.assignment import flatten
from memfactory_core.component import change_part
from memfactory_core.types import Record


class Stretch(Record):
    """Steps of a training, `first` to `last`, that had one form of task and paradigm; `changed` are the settings in
    which it differed, by their places, {} where both were as they stand."""

    first: int
    last: int
    changed: dict[str, Any]

    @property
    def form(self) -> str:
        """The form in words."""
        named = {name.replace("_", " ").replace(".", " "): v for name, v in self.changed.items()}
        told = ", ".join(f"{name} {value}" for name, value in named.items())
        return told or "the task as it stands"


def find_stretches(training: Mapping[str, Any]) -> list[Stretch]:
    """The stretches of a training with these plain settings, in order; [] where it has no stages. A training that
    ends in a stage has none after it."""
    stages = training.get("stages") or ()
    found: list[Stretch] = []
    done = 0
    for stage in stages:
        last = min(done + stage["steps"], training["steps"])
        changed = flatten(stage.get("task") or {}) | flatten(stage.get("paradigm") or {})
        if last > done:
            found.append(Stretch(first=done + 1, last=last, changed=changed))
        done = last
    if found and done < training["steps"]:
        found.append(Stretch(first=done + 1, last=training["steps"], changed={}))
    return found


def find_stretch(training: Mapping[str, Any], step: int) -> Stretch | None:
    """The stretch of a step of a training, counted from 1; None where it has no stages or no such step."""
    found = find_stretches(training)
    return next((one for one in found if one.first <= step <= one.last), None)


def settings_at(settings: Mapping[str, Any], step: int) -> dict[str, Any]:
    """A run's plain settings as a step of its training, counted from 1, has them: with what its stage changes."""
    left = step
    for stage in settings.get("training", {}).get("stages") or ():
        if 0 < left <= stage["steps"]:
            named = [name for name in ("task", "paradigm") if name in settings]
            changed = {name: change_part(settings[name], stage.get(name) or {}) for name in named}
            return {**settings, **changed}
        left -= stage["steps"]
    return dict(settings)


def tell_stretches(training: Mapping[str, Any]) -> str:
    """What a training with these plain settings learned from when, in a sentence; "" where it has no stages."""
    stretches = find_stretches(training)
    told = [f"steps {one.first:,} to {one.last:,}: {one.form}" for one in stretches]
    jump = "where one ends, the curves jump because the task changes" if told[1:] else ""
    never = "the task as it stands has no steps" if told and stretches[-1].changed else ""
    last = "; ".join(filter(None, [jump, never]))
    return f"Trained in stages ({'; '.join(told)}): {last}." if told else ""


def starts(training: Mapping[str, Any]) -> list[int]:
    """The first step of each stretch but the first: where the form changes."""
    return [one.first for one in find_stretches(training)[1:]]
