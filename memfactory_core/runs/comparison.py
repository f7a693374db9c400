"""Comparisons of runs: paired, on the examples that both attempted, with a bootstrap interval; which of them flipped,
why answers were wrong, which settings differ and what each side cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from memfactory_core.assignment import flatten
from memfactory_core.errors import RunError
from memfactory_core.rewards.shown import Shown
from memfactory_core.runs import database
from memfactory_core.runs.attempts import Attempt, Side
from memfactory_core.runs.tables import Run
from memfactory_core.scoring.intervals import paired

Attempts = Mapping[str, Sequence[Attempt]]
"""The attempts of one side by example."""
NEITHER = ("name", "about")
"""Settings that say nothing about how a run goes."""


class Flip(NamedTuple):
    """An example that one side answered better than the other: an attempt of each, and the share of right answers."""

    example: str
    first: Attempt
    second: Attempt
    right_first: float
    right_second: float

    @property
    def gained(self) -> bool:
        """Whether the second side is the better one."""
        return self.right_second > self.right_first


class Comparison(NamedTuple):
    """Two sides on the examples that both attempted; `first` and `second` hold these alone. `only_first` and
    `only_second` count the examples of one side alone."""

    first: Attempts
    second: Attempts
    only_first: int
    only_second: int
    scores: dict[str, dict[str, Any]]

    @property
    def shared(self) -> int:
        """How many examples both attempted."""
        return len(self.first)

    def flips(self) -> list[Flip]:
        """The examples with another share of right answers, the greatest change first; those lost come before those
        gained by as much."""
        found = []
        for example, attempts in self.first.items():
            others = self.second[example]
            before, after = _right(attempts), _right(others)
            if before != after:
                gained = after > before
                pair = _pick(attempts, not gained), _pick(others, gained)
                found.append(Flip(example, *pair, before, after))
        return sorted(found, key=lambda f: (-abs(f.right_second - f.right_first), f.gained))

    def causes(self) -> dict[str, tuple[int, int]]:
        """How many attempts of each side failed of each cause, the commonest first."""
        first, second = (_causes(side) for side in (self.first, self.second))
        both = first + second
        return {cause: (first[cause], second[cause]) for cause, _ in both.most_common()}


class Cost(NamedTuple):
    """What a side's episodes took on the mean, None where nobody counted: tokens read and written by the policy, its
    calls; and the seconds that the whole run worked."""

    read: float | None
    written: float | None
    calls: float
    seconds: float


def compare_sides(
    first: Side, second: Side, attempts_first: Attempts, attempts_second: Attempts
) -> Comparison:
    """Each score's mean in both and the mean difference (second minus first) with its 95% interval over the examples
    that both attempted; whole texts are drawn, `clusters` says how many. RunError where there are none."""
    left, right = attempts_first, attempts_second
    # two files may both have a record 1: an id names the same example only where the text is the same
    same = [example for example in left if example in right and _same_text(left, right, example)]
    if not same:
        phases = dict.fromkeys((first.phase, second.phase))
        raise RunError(
            f"the runs {first.run.id} and {second.run.id} share no examples in {' and '.join(phases)}: compare runs "
            "with the same evaluation task and seed"
        )
    texts = {e: left[e][0].text or right[e][0].text or e for e in same}
    means = [{e: _means(side[e]) for e in same} for side in (left, right)]
    scores = paired(means[0], means[1], texts)
    shown = Shown(first.run.settings.get("reward", {}))
    names = [name for name in shown.in_order(scores) if name != "reward"]
    return Comparison(
        {e: left[e] for e in same}, {e: right[e] for e in same},
        len(left) - len(same), len(right) - len(same),
        {name: scores[name] for name in [*names, "reward"] if name in scores},
    )  # fmt: skip


def differing_settings(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """The settings in which runs differ, by path: a value for each run, None where it has no such setting."""
    flat = [flatten(run.settings) for run in runs]
    paths = dict.fromkeys(path for values in flat for path in values)
    found = {path: [values.get(path) for values in flat] for path in paths if path not in NEITHER}
    return {path: values for path, values in found.items() if any(v != values[0] for v in values)}


def count_cost(run: Run, attempts: Attempts) -> Cost:
    """What a side's attempts took."""
    played = [attempt for tries in attempts.values() for attempt in tries]
    return Cost(
        _mean([attempt.read for attempt in played]),
        _mean([attempt.written for attempt in played]),
        _mean([attempt.calls for attempt in played]) or 0.0,
        run.elapsed(database.now()),
    )


def _mean(values: Sequence[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _same_text(left: Attempts, right: Attempts, example: str) -> bool:
    one, other = left[example][0].text, right[example][0].text
    return None in (one, other) or one == other


def _right(attempts: Sequence[Attempt]) -> float:
    return sum(attempt.scores["exact_match"] for attempt in attempts) / len(attempts)


def _pick(attempts: Sequence[Attempt], right: bool) -> Attempt:
    """Of several attempts one that shows the difference: a right one, or a wrong one."""
    choose = max if right else min
    return choose(attempts, key=lambda attempt: attempt.scores["exact_match"])


def _causes(attempts: Attempts) -> Counter[str]:
    return Counter(a.cause for tries in attempts.values() for a in tries if a.cause)


def _means(attempts: Sequence[Attempt]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for attempt in attempts:
        for name, value in attempt.scores.items():
            found.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in found.items()}
