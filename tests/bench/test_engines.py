"""The bench of engines asks both the same and finds the same greedy texts."""

import pytest

from bench.engines import measure
from tests.policies.test_policies import save_model


@pytest.mark.parametrize("mixed", [False, True])
def test_both_engines_answer_alike(tmp_path, mixed):
    found = measure(save_model(tmp_path, "llama"), 2, 2, 8, 1, mixed, [])
    assert found["rows"] == found["temperature 0.0"]["same_texts"] == 4
    for temperature in ("temperature 0.0", "temperature 0.7"):
        least, most = found[temperature]["ratio"][1:]
        assert 0 < least <= most
