"""What cannot be measured is named in the report and in its exit code."""

import json

import pytest

from bench import report

STEP = {
    "recipe": "memagent-tiny", "rounds": 3,
    "ours": {"sampling_s": 1.0, "learning_s": 2.5, "all_s": 4.0},
    "reference_to_ours": [3.2, 3.1, 3.3], "ours_to_bound": [1.3, 1.2, 1.4], "bound_to_lean": [2.9, 2.8, 3.0],
    "ours_to_lean": [1.1, 1.0, 1.2], "new_tokens_per_s": 1293,
    "peak_MiB": 1295,
}  # fmt: skip
FOUND = {
    "date": "2026-11-30", "machine": "a processor", "load": 0.4, "seconds": 200, "step": [STEP],
    "scale": [], "generation_memory": [{"way": "plain"}], "chat_step": [{"step": 17.5}],
}  # fmt: skip


@pytest.mark.slow
def test_a_bench_that_fails_is_named_with_its_last_words():
    (row,) = report.run("step", "no-such-recipe")
    assert row["failed"].startswith("step no-such-recipe: ")
    assert "no-such-recipe" in row["failed"].partition(": ")[2]


def test_the_tables_hold_ratios_with_their_spread():
    text = report.tables(FOUND)
    assert (
        "| memagent-tiny | 4.0 (25%, 62%) | 3.2 [3.1, 3.3] | 1.3 [1.2, 1.4] | 2.9 [2.8, 3.0] "
        "| 1.1 [1.0, 1.2] | 1,293 | 1,295 |" in text
    )
    assert "a processor, load 0.4, 200 s in all" in text
    assert '{"step": 17.5}' in text


@pytest.mark.parametrize(
    ("part", "code"),
    [(None, 0), ("step", 1), ("scale", 1), ("generation_memory", 1), ("chat_step", 1)],
)
def test_the_exit_code_says_whether_all_was_measured(part, code, monkeypatch, tmp_path, capsys):
    found = FOUND | ({part: [{"failed": "it took more than 600 s"}]} if part else {})
    monkeypatch.setattr(report, "measure", lambda: found)
    assert report.main(["--out", str(tmp_path / "bench.json")]) == code
    assert json.loads((tmp_path / "bench.json").read_text()) == found
    shown = capsys.readouterr()
    assert ("it took more than 600 s" in shown.out) == bool(part)
    assert ("not measured: 1" in shown.err) == bool(part)


def test_a_model_that_was_not_fetched_is_named_and_no_failure(monkeypatch):
    monkeypatch.setattr(report, "find_manifest", lambda name: None)
    (row,) = report.measure_chat_step()
    assert row == {"left_out": "not measured: memfactory get smollm2-135m"}
