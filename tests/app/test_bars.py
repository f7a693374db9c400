"""Bars over steps: where the task becomes another."""

import pytest

from app.run.charts import bar_figure, places_between


@pytest.mark.parametrize(
    ("stretches", "steps", "places"),
    [
        ([(1, 10), (11, 20), (21, 30)], [11], [0.5]),
        ([(1, 10), (11, 20), (21, 30)], [16, 21], [1.0, 1.5]),
        ([(1, 1), (2, 2), (3, 3)], [3], [1.5]),
        ([(1, 2), (5, 6), (9, 10)], [3, 4, 8], [0.5, 0.5, 1.5]),  # not every step was kept
        ([(1, 10)], [40], []),  # ahead of what there is
        ([], [3], []),
    ],
)
def test_a_change_lies_between_two_bars_or_within_the_one_that_has_both(stretches, steps, places):
    assert places_between(stretches, steps) == places


def test_the_line_stands_where_the_change_is():
    places = ["1–10", "11–20"]
    figure = bar_figure(places, {"altered": [0.5, 0.2]}, {"altered": 0}, "step", [0.5])
    (line,) = figure.layout.shapes
    assert (line.x0, line.x1, line.line.dash) == (0.5, 0.5, "dot")
    assert not bar_figure(places, {"altered": [0.5, 0.2]}, {"altered": 0}).layout.shapes
