"""Two tabs and two shells at one run, a hundred times."""

import pytest

from tests.races import race, workers_of


@pytest.mark.hours
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_hundred_races_have_one_winner_each(lab):
    results = race(lab, 100)
    assert [starters for _, starters in results] == [1] * 100
    assert [workers_of(lab, run_id) for run_id, _ in results] == [1] * 100
