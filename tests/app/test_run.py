"""A run's page: its tabs, curves, doubts, and what was right against what was done."""

from __future__ import annotations

import html
import re
from urllib.parse import parse_qsl

import pytest

from app.reads.engine import database_engine
from app.run.charts import curve_figure
from memfactory_core import config
from memfactory_core.episode import run_episodes
from memfactory_core.policies.scripted import ScriptedSampler
from memfactory_core.runs import jobs, recording
from tests.app.test_debugger import ids
from tests.app.test_pages import open_page, words

__all__ = ["ids"]


@pytest.mark.parametrize("tab", ["Curves", "Causes", "Memories", "Before and after"])
def test_the_tabs_of_a_run(tab: str, ids: dict[str, str]) -> None:
    page = open_page("runs", run=ids["trained"], tab=tab)
    assert not page.error
    if tab in ("Curves", "Causes", "Memories"):
        assert page.get("plotly_chart")
        assert page.dataframe  # the table behind the chart
    told = {"Causes": "not written", "Memories": "needed facts", "Curves": "click a point"}
    assert told.get(tab, "") in words(page)


def test_right_against_done_before_and_after(ids: dict[str, str]) -> None:
    engine, chosen = database_engine(), config.load("memory-r1-tiny")
    run = jobs.create(engine, chosen).id
    told = chosen.task.examples(4, 3)
    for phase, step, strategy in (
        ("before/greedy", 0, "everything"), ("train", 1, "nothing"), ("train", 20, "overlap"),
        ("after/greedy", 20, "overlap"),
    ):  # fmt: skip
        sampler = ScriptedSampler(strategy, 0)
        recording.save_episodes(
            engine, run, phase, step, run_episodes(chosen.paradigm, sampler, told, 0.0)
        )
    page = open_page("runs", run=run, tab="Decisions")
    shown = words(page)
    right = [action for example in told for action in example.meta["actions"]]
    total = len(right)
    assert not page.error and f"**100% right**, {total} of {total} messages" in shown
    assert "Right ↓" in shown and "✓ 100%" in shown and len(page.dataframe) == 2
    page.selectbox(key="url.right").set_value("train").run()
    assert not page.exception and page.query_params["right"] == "train"
    assert "**100% right**" in words(page)  # the last steps
    page.slider(key="url.right.steps").set_value((1, 1)).run()
    assert f" right**, {right.count('noop')} of {total} messages" in words(page)
    # every cell's link, of both tables, leads to a new session that shows the same two tables
    links = re.findall(r'href=\\?"runs\?([^"\\]+)', words(page))
    assert links
    for link in links:
        place = dict(parse_qsl(html.unescape(link)))
        assert (place["right"], place["right.steps"]) == ("train", "1-1"), place
    opened = open_page("runs", **place)
    assert opened.slider(key="url.right.steps").value == (1, 1)
    assert f" right**, {right.count('noop')} of {total} messages" in words(opened)
    assert "Decisions" not in [tab.label for tab in open_page("runs", run=ids["trained"]).tabs]


def test_doubts_stand_over_the_curves(ids: dict[str, str]) -> None:
    engine = database_engine()
    run = jobs.create(engine, config.load("memagent-tiny")).id
    for step in range(1, 31):
        values = {"reward": step / 30, "score/exact_match": 0.1, "equal_groups": 0.0}
        recording.save_metrics(engine, run, step, values)
    page = open_page("runs", run=run)
    assert "exact match did not" in page.warning[0].value.replace("\\", "")


def test_stages_are_told_and_marked_and_the_last_alone_is_judged(ids: dict[str, str]) -> None:
    engine = database_engine()
    stage = 'training.stages=[{"steps": 12, "task": {"chunks": 1}}]'
    run = jobs.create(engine, config.load("memagent-tiny", ["training.steps=30", stage])).id
    for step in range(1, 31):
        # an easy stage in which both stay, then the task itself, where the reward alone rises
        values = {"reward": 0.9 if step <= 12 else step / 30, "score/exact_match": 0.2}
        recording.save_metrics(engine, run, step, values | {"equal_groups": 0.0})
    page = open_page("runs", run=run)
    told = words(page).replace("\\", "")
    assert "steps 1 to 12: chunks 1; steps 13 to 30: the task as it stands" in told
    assert "exact match did not" in page.warning[0].value.replace("\\", "")
    lines = [str(chart.proto) for chart in page.get("plotly_chart")]
    assert all('"x0":12.5' in line.replace("\\", "").replace(" ", "") for line in lines[:2])


def test_a_step_of_a_stage_says_so_above_its_groups(ids: dict[str, str]) -> None:
    engine = database_engine()
    stage = 'training.stages=[{"steps": 2, "task": {"chunks": 1}, "paradigm": {"store": {"budget": 41}}}]'
    chosen = config.load("memagent-tiny", ["training.steps=4", stage])
    run = jobs.create(engine, chosen).id
    for step in (1, 3):
        form = chosen.form_at(step)
        told = form.task.examples(2, step)
        played = run_episodes(form.paradigm, ScriptedSampler("nothing", 0), told, 0.0)
        recording.save_episodes(engine, run, "train", step, played)
        recording.save_metrics(engine, run, step, {"reward": 0.5, "score/exact_match": 0.5})
    sentence = "Step 1 is of a stage, 1 to 2, with chunks 1, store budget 41"
    early, late = (open_page("groups", run=run, phase="train", step=s) for s in ("1", "3"))
    assert sentence in words(early).replace("\\", "") and "of a stage" not in words(late)
    early, late = (open_page("episode", run=run, phase="train", step=s) for s in ("1", "3"))
    assert "of 41 characters" in words(early) and "of 64 characters" in words(late)
    causes = open_page("runs", run=run, tab="Causes")
    assert "steps 3 to 4: the task as it stands" in words(causes).replace("\\", "")
    drawn = " ".join(str(chart.proto) for chart in causes.get("plotly_chart"))
    assert '"x0":0.5' in drawn.replace("\\", "").replace(" ", "")


def test_a_training_that_ends_in_a_stage_promises_no_step_of_the_task_itself(
    ids: dict[str, str],
) -> None:
    engine = database_engine()
    stage = 'training.stages=[{"steps": 4, "task": {"chunks": 1}}]'
    for steps, then in ((2, "has no steps"), (5, "comes later")):
        chosen = config.load("memagent-tiny", [f"training.steps={steps}", stage])
        run, form = jobs.create(engine, chosen).id, chosen.form_at(1)
        for step in (1, 2):
            told = form.task.examples(2, step)
            played = run_episodes(form.paradigm, ScriptedSampler("overlap", 0), told, 0.0)
            recording.save_episodes(engine, run, "train", step, played)
            recording.save_metrics(engine, run, step, {"reward": 0.5, "score/exact_match": 0.5})
        page = open_page("groups", run=run, phase="train", step="1")
        assert f"the task as it stands {then}." in words(page)


def test_every_part_of_the_reward_has_its_curve(ids: dict[str, str]) -> None:
    engine = database_engine()
    run = jobs.create(engine, config.load("memory-r1-tiny", ["reward.contained=0.5"])).id
    for step in range(1, 4):
        values = {"reward": step / 3, "score/contained": step / 10, "score/right_update": step / 9}
        recording.save_metrics(engine, run, step, values)
    shown = [str(chart.proto) for chart in open_page("runs", run=run).get("plotly_chart")]
    assert any("Gold strings contained: 10% to 30% (step 1 to 3)" in chart for chart in shown)
    assert any("Right decisions: Update 11% to 33%" in chart for chart in shown)


def test_where_nothing_was_trained_no_phase_is_called_after(ids: dict[str, str]) -> None:
    for which, expected in (("evaluated", ["Greedy", "Sampled"]), ("trained", ["Before, greedy"])):
        page = open_page("groups", run=ids[which])
        phases = page.selectbox(key="url.phase").options
        assert phases[: len(expected)] == expected
        assert any("After" in phase for phase in phases) == (which == "trained")


def test_a_stage_that_lies_ahead_does_not_press_the_curves_into_a_corner() -> None:
    curve = [(step, 0.1 * step) for step in range(1, 7)]
    for change, marked in ((5, 1), (6, 1), (29, 0)):
        assert len(curve_figure({"reward": curve}, changes=[change]).layout.shapes) == marked
