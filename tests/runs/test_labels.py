"""Runs of one name are told apart by when they were made."""

import time

from memfactory_core.runs.labels import tell_apart


def test_a_label_of_its_own_stays_as_it_is_and_equal_ones_say_when():
    made = [time.mktime((2026, 3, day, 9, 5, 0, 0, 0, -1)) for day in (2, 4)]
    named = [("1-aaaa", "A", made[0]), ("2-bbbb", "A", made[1]), ("3-cccc", "B", made[0])]
    found = tell_apart(named)
    times = [time.strftime("%d %b %H:%M", time.localtime(at)) for at in made]
    assert found == {"1-aaaa": f"A · {times[0]}", "2-bbbb": f"A · {times[1]}", "3-cccc": "B"}
    assert list(found) == ["1-aaaa", "2-bbbb", "3-cccc"]


def test_runs_of_one_minute_carry_the_end_of_their_ids():
    found = tell_apart([("1-aaaa", "A", 60.0), ("2-bbbb", "A", 61.0), ("3-cccc", "A", 600.0)])
    assert found["1-aaaa"].endswith(" · aaaa") and found["2-bbbb"].endswith(" · bbbb")
    assert not found["3-cccc"].endswith("cccc") and len(set(found.values())) == 3
