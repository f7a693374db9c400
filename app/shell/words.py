"""Figures, time spans and the names of phases in words."""

from __future__ import annotations

import time

from memfactory_core.runs.tables import Run
from memfactory_core.text import describe_duration

PHASE_LABELS = {
    "untrained/greedy": "Untrained, greedy",
    "untrained/sampled": "Untrained, sampled",
    "before/greedy": "Before, greedy",
    "before/sampled": "Before, sampled",
    "train": "Training",
    "after/greedy": "After, greedy",
    "after/sampled": "After, sampled",
    "imported": "As logged",
}


def describe_phase(phase: str, mode: str) -> str:
    """A phase of a run of this mode in words; where nothing is trained there is no before and no after."""
    label = PHASE_LABELS.get(phase, phase)
    return begin_upper(label.removeprefix("After, ")) if mode == "evaluate" else label


def describe_moment(label: str) -> str:
    """A column of a table of evaluations as the name of a curve beside others."""
    return f"{label.lower()} training" if label in ("Before", "After") else label.lower()


def begin_upper(text: str) -> str:
    """A sentence of the command line as one of a page."""
    return text[:1].upper() + text[1:]


def describe_age(moment: float) -> str:
    """A moment of the past in words."""
    gone = time.time() - moment
    return "just now" if gone < 60 else f"{describe_duration(gone)} ago"


def describe_share(value: float | None) -> str:
    """A share as a whole percentage."""
    return "–" if value is None else f"{value:.0%}"


def greedy_score(run: Run, when: str, name: str) -> float | None:
    """The greedy mean of a score before or after."""
    return run.summary.get(when, {}).get(f"greedy/{name}", {}).get("mean")


def describe_change(run: Run, name: str) -> str:
    """A score before and after, as far as it is known."""
    before, after = greedy_score(run, "before", name), greedy_score(run, "after", name)
    if run.mode == "evaluate" or (before is None and after is not None):
        return describe_share(after)
    if before is None:
        return "–"
    return f"{describe_share(before)} → {describe_share(after) if after is not None else '…'}"
