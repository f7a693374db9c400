"""What the lesson on credit plays and counts: decisions, where each is pushed, and what the trainer learns from."""

from __future__ import annotations

import re

import pytest

from app.learn import parted
from app.learn.credit import PUSHED, pushed_option
from app.learn.parted import Decision, Group
from app.learn.pushes import misled_both_ways, pushes_table, shares_figure
from memfactory_core.explain.operations import pairs
from memfactory_core.training.advantages import to_rows


@pytest.fixture(scope="module")
def case() -> tuple[Group, int, tuple[Group, ...]]:
    number, attempt = parted.plain_case()
    return parted.play_independent(number), attempt, parted.play_parted(number, attempt, 0)


def test_an_independent_attempt_is_pushed_whole(case: tuple[Group, int, tuple[Group, ...]]) -> None:
    group, attempt, _ = case
    for one, row in zip(group.attempts, group.decisions, strict=True):
        assert [(told.right, told.done) for told in row] == [pair[:2] for pair in pairs(one)]
        assert [told.push for told in row] == [one.advantage] * len(one.example.observations)
    assert len(group.pushed) == parted.taught(group) == len(to_rows(group.attempts, True))
    assert {told.is_right for told in group.decisions[attempt]} == {True, False}
    assert group.attempts[attempt].advantage > 0
    assert PUSHED[pushed_option(group.decisions[attempt])] == "all of them, the wrong ones too"
    assert min(misled_both_ways(group)) > 0, "some of both kinds, or there is nothing to see"


def test_a_parted_group_is_pushed_at_one_message(
    case: tuple[Group, int, tuple[Group, ...]],
) -> None:
    group, attempt, parts = case
    repeated = group.decisions[attempt]
    assert len(parts) == len(repeated)
    for place, part in enumerate(parts):
        assert len(part.attempts) == len(group.attempts)
        assert part.attempts[0].events == group.attempts[attempt].events
        for row in part.decisions:
            assert [told.said for told in row[:place]] == [t.said for t in repeated[:place]]
            assert [told.push is None for told in row] == [n != place for n in range(len(row))]
        assert len(part.pushed) == parted.taught(part) <= len(part.attempts)
    second, most = sorted(parted.leads(parts))[-2:]
    assert most - second >= parted.PLAIN


def test_other_draws_part_the_same_states() -> None:
    number, attempt = parted.plain_case()
    one, other = (parted.play_parted(number, attempt, draw) for draw in (0, 1))
    last = len(one) - 1
    before = {
        tuple(told.said for told in row[:last])
        for row in (*one[last].decisions, *other[last].decisions)
    }
    assert len(before) == 1
    assert [row[last:] for row in one[last].decisions] != [
        row[last:] for row in other[last].decisions
    ]


def decision(right: bool, push: float | None) -> Decision:
    return Decision("add", "add" if right else "noop", "ADD <b>.", push)


def test_what_counts_as_pushed_the_wrong_way(case: tuple[Group, int, tuple[Group, ...]]) -> None:
    rows = (
        (decision(True, 1.0), decision(False, 1.0)),
        (decision(True, -0.5), decision(False, -0.5)),
        (decision(True, None), decision(False, 0.0)),
    )
    group = Group(case[0].attempts[:3], rows)
    assert misled_both_ways(group) == (1, 1)
    shares = parted.count_misled([[group], [group]])
    assert shares.whole["mean"] == 0.5 and shares.whole["n"] == 8 and shares.whole["clusters"] == 2
    assert [share["mean"] for share in shares.by_message] == [0.5, 0.5]
    assert pushed_option(rows[1]) == 2
    assert pushed_option((decision(True, 1.0), decision(False, -1.0))) == 0
    assert len(shares_figure({"a": shares.by_message, "b": shares.by_message}).data) == 2


def test_the_table_says_what_it_colours(case: tuple[Group, int, tuple[Group, ...]]) -> None:
    group, attempt, parts = case
    down, up = misled_both_ways(group)
    whole = pushes_table(group, attempt)
    assert whole.count("mf-misled") == down + up and "mf-still" not in whole
    assert f"{down} right ones made less likely, {up} wrong ones made likelier" in whole
    place = len(parts) - 1
    table = pushes_table(parts[place], 0, place)
    assert table.count("▲") + table.count("▼") == len(parts[place].pushed)
    assert table.count("mf-still") == len(parts[place].attempts) * place
    assert table.count("parts here") == 1 and f"pushed at message {place + 1} alone" in table
    shown = pushes_table(Group(group.attempts[:1], ((decision(True, 1.0),),)))
    assert "<b>" not in shown and re.search(r'title="ADD &lt;b&gt;.: likelier, \+1.00"', shown)


def test_whoever_opens_the_lesson_sees_the_same_attempts() -> None:
    number, attempt = parted.plain_case()
    again = parted.play_independent.__wrapped__(number)
    assert again.decisions == parted.play_independent(number).decisions
    parts = parted.play_parted.__wrapped__(number, attempt, 0)
    assert [one.decisions for one in parts] == [
        one.decisions for one in parted.play_parted(number, attempt, 0)
    ]


def test_what_found_the_plain_case_is_not_played_again() -> None:
    number, attempt = parted.plain_case()
    played = parted.play_parted.cache_info().misses
    for draw in (0, 0, 1, 1):
        parted.play_parted(number, attempt, draw)
    assert parted.play_parted.cache_info().misses - played <= 1, "another draw alone"
