"""Compare: two to six runs, their paired differences with intervals, flipped examples side by side, causes, settings
that differ, cost; and what is said where the examples are not the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from app.markup.safe_text import escape_markdown
from app.reads.engine import database_engine
from memfactory_core import config
from memfactory_core.cli.main import app
from memfactory_core.episode import run_episodes
from memfactory_core.errors import ConfigError, RunError
from memfactory_core.policies.scripted import ScriptedSampler
from memfactory_core.runs import database, jobs, recording, worker
from memfactory_core.runs.attempts import find_side, read_attempts
from memfactory_core.runs.comparison import compare_sides, count_cost, differing_settings
from tests.app.test_pages import filled, open_page, words

__all__ = ["filled"]


def measure(name: str, strategy: str, *more: str) -> str:
    """A finished evaluation of a program."""
    engine = database_engine()
    settings = [
        "mode=evaluate", "policy=scripted", f"policy.strategy={strategy}", f"name={name}",
        "evaluation.examples=6", "evaluation.samples=0", *more,
    ]  # fmt: skip
    return worker.work(engine, jobs.create(engine, config.load("memagent-tiny", settings)).id).id


@pytest.fixture(scope="module")
def compared(filled: dict[str, str]) -> dict[str, str]:
    return filled | {
        "best": measure("Overlap", "overlap"), "last": measure("Last", "last"),
        "fewer": measure("Fewer", "last", "evaluation.examples=4"),
        "other": measure("Other seed", "last", "evaluation.seed=2000"),
    }  # fmt: skip


def sides_of(first: str, second: str) -> Any:
    engine = database_engine()
    sides = [find_side(engine, name) for name in (first, second)]
    return sides, compare_sides(*sides, *(read_attempts(engine, side) for side in sides))


def tables(page: AppTest) -> list[Any]:
    return [frame.value for frame in page.dataframe]


def test_differences_flips_causes_settings_and_cost_of_two_runs(compared: dict[str, str]) -> None:
    sides, result = sides_of(compared["best"], compared["last"])
    lost = [flip for flip in result.flips() if not flip.gained]
    assert lost and result.shared == 6
    page = open_page("compare", runs=f"{compared['best']},{compared['last']}")
    assert not page.error and not page.warning
    row = result.scores["exact_match"]
    assert (
        row["second"] - row["first"] == pytest.approx(row["difference"]) and row["difference"] < 0
    )
    shown = words(page)
    assert f"gives {-row['difference'] * 100:.1f} points fewer right answers" in shown
    assert f"95% interval {row['low'] * 100:+.1f} to {row['high'] * 100:+.1f}" in shown
    assert "6 shared examples, all that both attempted" in shown
    differences = tables(page)[0]
    assert f"{row['difference'] * 100:+.1f} [" in " ".join(differences["Difference"])
    assert f"0 gained, {len(lost)} lost, {6 - len(lost)} as before" in shown
    settings = next(table for table in tables(page) if "Setting" in table)
    assert dict(zip(settings["Setting"], settings["Last"], strict=True)) == {
        "policy.strategy": "last"
    }
    cost = next(table for table in tables(page) if "Tokens read" in table)
    assert list(cost["Tokens read"]) == ["not counted"] * 2  # a program counts none
    told = {cause.replace("_", " ") for cause in result.causes()}
    assert told and all(cause in shown for cause in told)


def test_a_flip_opens_both_episodes_side_by_side(compared: dict[str, str]) -> None:
    sides, result = sides_of(compared["best"], compared["last"])
    flip = result.flips()[0]
    page = open_page("compare", runs=f"{compared['best']},{compared['last']}")
    page.button(key=f"flip.{flip.example}").click().run()
    assert not page.exception and page.query_params["example"] == flip.example
    links = [str(one.proto) for one in page.get("page_link")]
    for side, attempt in zip(sides, (flip.first, flip.second), strict=True):
        assert any(f"run={side.run.id}" in one and attempt.episode in one for one in links)
    assert flip.first.answer != flip.second.answer and flip.right_first > flip.right_second
    assert words(page).count("Section 1 of") == 2


def test_a_run_before_and_after_its_training(compared: dict[str, str]) -> None:
    run = compared["trained"]
    page = open_page("compare", runs=f"{run}@before,{run}", curve="score/kept")
    assert not page.error and not page.warning
    shown = words(page)
    assert "after training" in shown and "It is one run" in shown
    (chart,) = page.get("plotly_chart")
    assert (
        "Kept to the end" in str(chart.proto)
        and page.selectbox(key="url.curve").value == "score/kept"
    )
    page.selectbox(key="url.decoding").set_value("sampled").run()
    assert not page.exception and "shared examples" in words(page)


def test_it_says_how_many_examples_are_shared(compared: dict[str, str]) -> None:
    page = open_page("compare", runs=f"{compared['best']},{compared['fewer']}")
    assert "4 shared examples; 2 of the first alone are left out" in words(page)
    page = open_page("compare", runs=f"{compared['best']},{compared['other']},{compared['last']}")
    assert "measured on different examples" in page.info[0].value and not page.warning
    assert list(tables(page)[0]) == ["Score", "Overlap", "Other seed", "Last"], "of each alone"
    assert "6 shared examples" in words(page)  # the third one still is compared


def test_with_fewer_than_two_it_says_what_to_choose(compared: dict[str, str]) -> None:
    page = open_page("compare", runs=compared["best"])
    assert "Choose two runs or more" in page.info[0].value and not page.dataframe


def test_one_click_leads_to_a_run_before_and_after_its_training(compared: dict[str, str]) -> None:
    page = open_page("compare")
    run = compared["trained"]
    page.button(key=f"compare.offer.{run}").click().run()
    assert page.query_params["runs"] == f"{run}@before,{run}"
    assert not page.error and "Differences on the same examples" in words(page)


def test_three_runs_and_the_one_that_is_looked_at_closer(compared: dict[str, str]) -> None:
    three = f"{compared['best']},{compared['last']},{compared['fewer']}"
    page = open_page("compare", runs=three)
    assert set(tables(page)[0]["Run"]) == {"Last", "Fewer"}
    page.selectbox(key="url.with").set_value(compared["fewer"]).run()
    assert page.query_params["with"] == compared["fewer"]
    assert page.selectbox(key="url.with").label == "Look closer at Overlap beside"
    hostile = "a ![x](https://e.example/p.png)"
    database.update_run(database_engine(), compared["best"], name=hostile)
    label = open_page("compare", runs=three).selectbox(key="url.with").label
    database.update_run(database_engine(), compared["best"], name="Overlap")
    assert label == f"Look closer at {escape_markdown(hostile)} beside"
    settings = next(table for table in tables(page) if "Setting" in table)
    assert set(settings["Setting"]) == {"policy.strategy", "evaluation.examples"}


def test_tokens_are_counted_where_the_policy_counts_them(compared: dict[str, str]) -> None:
    from tests.filled import with_weights

    engine = database_engine()
    side = find_side(engine, with_weights(engine))
    attempts = read_attempts(engine, side)
    cost = count_cost(side.run, attempts)
    assert cost.read and cost.written and cost.calls > 1 and cost.seconds == pytest.approx(60)
    (first, *_), *_ = attempts.values()
    assert first.written and first.read and first.read > first.written


def test_the_command_says_the_same(compared: dict[str, str]) -> None:
    both = [compared["best"], compared["last"]]
    _, result = sides_of(*both)
    done = CliRunner().invoke(app, ["compare", *both, "--json"])
    told = json.loads(done.output)
    assert told["scores"]["exact_match"] == result.scores["exact_match"]
    assert told["examples"] == {"shared": 6, "only_first": 0, "only_second": 0}
    assert len(told["flips"]) == len(result.flips())
    assert told["settings"] == {"policy.strategy": ["overlap", "last"]}
    assert told["causes"] == {cause: list(counts) for cause, counts in result.causes().items()}
    plain = CliRunner().invoke(app, ["compare", *both]).output
    assert "6 shared, 0 of the first alone" in plain
    assert 'setting: policy.strategy  "overlap"  "last"' in plain
    before = CliRunner().invoke(
        app, ["compare", f"{compared['trained']}@before", compared["trained"]]
    )
    assert before.output.startswith("before/greedy and after/greedy")


def test_what_names_no_side_is_refused(compared: dict[str, str]) -> None:
    engine = database_engine()
    with pytest.raises(ConfigError, match="behind the @ stands one of untrained, before, after"):
        find_side(engine, f"{compared['trained']}@during")
    with pytest.raises(RunError, match="no run 'nowhere'"):
        find_side(engine, "nowhere@before")


def test_settings_that_only_one_run_has_differ(compared: dict[str, str]) -> None:
    engine = database_engine()
    runs = [database.get_run(engine, compared[name]) for name in ("best", "trained")]
    found = differing_settings(runs)
    assert found["policy.kind"] == ["scripted", "tiny"]
    assert found["policy.strategy"] == ["overlap", None]
    assert "name" not in found and "seed" not in found


def test_the_stages_of_a_training_are_told_and_marked_in_the_curves(
    compared: dict[str, str],
) -> None:
    engine = database_engine()
    stage = 'training.stages=[{"steps": 5, "task": {"chunks": 1}}]'
    chosen = config.load("memagent-tiny", ["name=In stages", stage])
    run = jobs.create(engine, chosen)
    results = database.get_run(engine, compared["trained"]).results
    database.update_run(engine, run.id, results=results)
    held_out = chosen.held_out.examples(4, 1000, "heldout")
    played = run_episodes(chosen.paradigm, ScriptedSampler("last", 0), held_out, 0.0)
    recording.save_episodes(engine, run.id, "after/greedy", 8, played)
    for step in range(1, 9):
        recording.save_metrics(engine, run.id, step, {"reward": step / 10})
    for other, expected in ((run.id, True), (compared["best"], False)):
        page = open_page("compare", runs=f"{compared['trained']},{other}")
        assert not page.exception
        charts = [str(chart.proto).replace("\\", "") for chart in page.get("plotly_chart")]
        assert any('"x0":5.5' in chart.replace(" ", "") for chart in charts) == expected
        told = words(page).replace("\\", "")
        assert ("In stages: Trained in stages (steps 1 to 5: chunks 1;" in told) == expected
