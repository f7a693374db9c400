"""The four ways of one training step are measured on the same rows."""

import pytest

from bench.report import RATIOS
from bench.step import RECIPES, measure

SMALL = [
    "training.groups=2", "training.group_size=2", "training.micro_batches=1", "task.chatter=1", "task.new=1",
]  # fmt: skip


def check(found):
    assert found["rounds"] == 1
    for way in ("ours", "reference", "bound", "lean"):
        assert 0 < found[way]["sampling_s"] <= found[way]["all_s"]
        assert 0 < found[way]["learning_s"] <= found[way]["all_s"]
    for ratio in (*RATIOS, "ours_to_lean_at_once"):
        middle, low, high = found[ratio]
        assert 0 < low <= middle <= high
    assert found["new"] >= found["rows"] > 0


def test_a_step_is_measured_four_ways():
    check(measure("memory-r1-tiny", 1, SMALL))


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_so_is_that_of_every_recipe(recipe):
    check(measure(recipe, 1, SMALL[:3]))
