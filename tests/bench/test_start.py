"""From Start until something was learned: when the curve has risen, and what is said where it never does."""

import pytest

from bench import start


@pytest.mark.parametrize(
    ("curve", "step"),
    [
        ([0.2] * 3 + [0.6] * 5, 8),
        ([0.2] * 10 + [0.7] * 5, 13),
        ([0.2] * 30, None),
        ([0.2, 0.2, 0.2, 0.9, 0.9], None),
        ([], None),
    ],
)
def test_a_curve_has_risen_when_its_last_steps_lie_above_its_first(curve, step):
    assert start.reached(curve, 0.3) == step


def test_a_run_that_ends_without_the_gain_says_how_far_it_came(lab):
    settings = [
        "training.steps=1", "training.groups=2", "training.group_size=2", "evaluation.examples=2",
        "evaluation.samples=0",
    ]  # fmt: skip
    times = start.measure("memagent-tiny", 0, 0.3, settings)
    assert set(times) == {"first step"} and times["first step"] > 0
