"""From Start until something was learned: when the curve has risen, and what is said where it never does."""

import pytest

from bench import start
from memfactory_core.config import load
from memfactory_core.runs import database, jobs

SMALL = [
    "training.steps=3", "training.groups=2", "training.group_size=2", "evaluation.examples=2",
    "evaluation.samples=0",
]  # fmt: skip
STAGE = 'training.stages=[{"steps": 2, "task": {"chunks": 1}}]'


@pytest.mark.parametrize(
    ("curve", "early", "step"),
    [
        ([0.6] * 5, 0, 5),
        ([0.2] * 3 + [0.55] * 5, 0, 8),
        ([0.2] * 10 + [0.55] * 5, 0, 15),
        ([0.9] * 10 + [0.2] * 5, 10, None),
        ([0.9] * 10 + [0.6] * 4, 10, None),
        ([0.9] * 10 + [0.6] * 5, 10, 15),
        ([0.2] * 30, 0, None),
        ([], 0, None),
    ],
)
def test_a_curve_has_risen_when_its_last_steps_at_the_whole_task_lie_high_enough(
    curve, early, step
):
    assert start.reached(curve, 0.5, early) == step


def test_what_the_untrained_policy_does_is_measured_on_the_task_as_it_stands(lab):
    engine = database.connect(jobs.database_url())
    plain, staged = load("memagent-tiny", SMALL), load("memagent-tiny", [*SMALL, STAGE])
    assert start.untrained(engine, plain) == start.untrained(engine, staged)
    wide = load("memagent-tiny", ["training.groups=40", "training.group_size=2"])
    known = start.untrained(engine, wide)
    assert 0.08 < known < 0.35  # chance is .22
    one = load("memagent-tiny", ["training.groups=40", "training.group_size=2", "task.chunks=1"])
    assert start.untrained(engine, one) > known


@pytest.mark.parametrize("settings", [SMALL, [*SMALL, STAGE]])
def test_a_run_that_ends_without_the_gain_says_how_far_it_came(lab, settings):
    times = start.measure("memagent-tiny", 0, 0.3, settings)
    assert set(times) == {"first step", "untrained"} and times["first step"] > 0
