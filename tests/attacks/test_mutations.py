"""Recipes and records damaged by chance: each works or is refused in one line, and nothing lies elsewhere."""

import pytest

from tests.attacks.mutations import mutate


@pytest.mark.parametrize(
    "count", [60, pytest.param(5000, marks=[pytest.mark.hours, pytest.mark.slow])]
)
@pytest.mark.timeout(1800)
def test_damaged_recipes_and_records_are_handled(tmp_path, monkeypatch, count):
    monkeypatch.setenv("MEMFACTORY_RUNS", str(tmp_path))
    monkeypatch.delenv("MEMFACTORY_DB", raising=False)
    found = mutate(count, 0, tmp_path / "place")
    assert {name: tally.wrong for name, tally in found.items()} == {
        "recipes": [], "records": [], "files outside": [],
    }  # fmt: skip
    for name in ("recipes", "records"):
        assert found[name].tried == count
        assert found[name].worked and found[name].refused
