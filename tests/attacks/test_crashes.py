"""Workers killed at chosen and at random moments lose nothing that was committed."""

import pytest

from tests.attacks.crashes import crash
from tests.policies.test_policies import save_model


@pytest.mark.hours
@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("kills", "forked"), [(10, False), (10, True), (100, True)])
def test_kills_lose_nothing(lab, tmp_path, kills, forked):
    tally = crash(lab, save_model(tmp_path / "model", "qwen3"), kills, seed=kills, forked=forked)
    assert tally.kills >= kills and bool(tally.forked) == forked
    assert (
        tally.committed["episodes"] and tally.committed["memories"] and tally.committed["metrics"]
    )
    assert sum(tally.lost.values()) == tally.doubled == 0
    assert tally.unlike == []
    assert tally.slowest_notice < 10
