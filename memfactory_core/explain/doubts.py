"""Doubts about a reward curve, in words. Each rule compares the first and the last fifth of a run's steps
(at least three each); a run too short for that raises no doubt and is said to be too short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, pstdev
from typing import Any

from memfactory_core.rewards import weight_of
from memfactory_core.rewards.shown import Shown
from memfactory_core.types import Record

RISE = 0.05
"""The least change that counts, beside twice its standard error."""


class Doubt(Record):
    """One doubt: a short name, the sentence for the user, and whether the curve should not be believed."""

    name: str
    sentence: str
    serious: bool


def doubts(curves: Mapping[str, Sequence[float]], weights: Mapping[str, Any]) -> list[Doubt]:
    """The doubts about a run with these curves (values per step, by name as the trainer logs them) and
    this table `[reward]`; an empty list means that nothing was found."""
    reward = curves.get("reward", ())
    size = len(reward) // 5
    if size < 3:
        return [Doubt(name="short", sentence="Too few steps to judge the curve.", serious=False)]
    found = []
    rise = _change(reward, size)
    shown = Shown(weights)
    measured = {name: curve for name in weights if (curve := curves.get(f"score/{name}"))}
    # a reward that counts answers in another way than exact match is judged by that way
    counted = [name for name in measured if shown.about(name) == "answers"]
    match = curves.get("score/exact_match", ())
    answers = {name: _change(measured[name], size) for name in counted}
    if match and not counted:
        answers = {"exact_match": _change(match, size)}
    if rise > RISE and answers and max(answers.values()) < RISE / 2:
        names = " and ".join(shown.title(name).lower() for name in answers)
        changes = ", ".join(f"{change:+.2f}" for change in answers.values())
        found.append(
            Doubt(
                name="answers",
                sentence=f"The reward rose by {rise:.2f} while {names} did not ({changes}): the policy "
                "may have found another way to earn it.",
                serious=True,
            )
        )
    shares = {
        name: abs(weight_of(weights[name]) * _change(curve, size))
        for name, curve in measured.items()
    }
    other = sum(share for name, share in shares.items() if shown.about(name) != "answers")
    if rise > RISE and shares and other > 0.5 * sum(shares.values()):
        found.append(
            Doubt(
                name="format",
                sentence=f"{other / sum(shares.values()):.0%} of the reward's change comes from its other "
                "parts (memory, form, cost), not from answers.",
                serious=True,
            )
        )
    equal = curves.get("equal_groups", ())
    if equal and fmean(equal[-size:]) > 0.5:
        found.append(
            Doubt(
                name="equal_groups",
                sentence=f"{fmean(equal[-size:]):.0%} of the last steps' groups earned the same in every "
                "attempt and teach nothing: the task is now too easy, or still too hard.",
                serious=fmean(reward[-size:]) < 0.5,
            )
        )
    entropy = curves.get("entropy", ())
    if entropy and fmean(entropy[-size:]) < 0.02 and fmean(reward[-size:]) < 0.8:
        found.append(
            Doubt(
                name="entropy",
                sentence="The policy hardly tries anything new (entropy below 0.02) and is not good yet: "
                "more temperature or an entropy bonus may help.",
                serious=True,
            )
        )
    return found


def _change(values: Sequence[float], size: int) -> float:
    """Last fifth minus first fifth; 0 where it is within twice its standard error."""
    first, last = values[:size], values[-size:]
    change = fmean(last) - fmean(first)
    error = ((pstdev(first) ** 2 + pstdev(last) ** 2) / size) ** 0.5
    return change if abs(change) > 2 * error else 0.0
