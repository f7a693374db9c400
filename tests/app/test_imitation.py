"""Imitation on the pages: its settings in Compose, its curves, its gate, three columns of results."""

from __future__ import annotations

import json
from pathlib import Path

from app.reads.engine import database_engine
from app.shell.status import describe_progress
from memfactory_core import config
from memfactory_core.runs import database, jobs, record, recording
from tests.app.test_pages import open_page, runs, words

__all__ = ["runs"]
FIGURES = {"low": 0.2, "high": 0.6, "n": 20, "clusters": 20}
LINE = "imitation's gate passed: rejected 0.02 (at most 0.10), kept 0.35 (the teacher's chance 0.36, untrained 0.10)"


def test_compose_shows_the_settings_of_imitation_where_the_mode_uses_them(runs: Path) -> None:
    page = open_page("compose")
    page.selectbox(key="preset").set_value("memagent-smollm2").run()
    assert "Imitation" in [tab.label for tab in page.tabs]
    steps = config.load("memagent-smollm2").imitation.steps
    field = next(n for n in page.number_input if str(n.key).endswith(".imitation.steps"))
    mode = str(field.key).replace("imitation.steps", "mode")
    assert field.value == steps and "0 means no imitation" in field.help
    field.set_value(7).run()
    assert "--set imitation.steps=7" in next(c.value for c in page.code if c.language == "bash")
    page.selectbox(key=mode).set_value("imitate").run()
    labels = [tab.label for tab in page.tabs]
    assert "Imitation" in labels and "Training" not in labels
    assert next(c.value for c in page.code if c.language == "bash").startswith("memfactory train ")
    assert "Demonstrations a step" in words(page)
    page.selectbox(key=mode).set_value("evaluate").run()
    assert "Imitation" not in [tab.label for tab in page.tabs]


def test_a_run_that_imitates_shows_curves_gate_and_three_columns(runs: Path) -> None:
    engine = database_engine()
    run = jobs.create(engine, config.load("memagent-smollm2"))
    for step in range(1, 5):
        values = {"loss": 2.0 / step, "accuracy": 0.5 + step / 10, "form": step / 4}
        recording.save_metrics(
            engine, run.id, step, {f"imitation/{n}": v for n, v in values.items()}
        )
    database.update_run(
        engine,
        run.id,
        state="running",
        phase="imitating, step 4 of 40, 2 min left of it",
        progress=0.1,
        started=database.now(),
    )
    page = open_page("runs", run=run.id, tab="Curves")
    shown = words(page)
    assert "Imitation" in shown and "Loss on what the teacher says" in shown
    assert len(page.get("plotly_chart")) == 3
    told = describe_progress(database.get_run(engine, run.id))
    assert "imitating, step 4 of 40, 2 min left of it 10%" in told
    means = {"untrained": 0.1, "before": 0.35, "after": 0.8}
    results = {when: {"greedy/kept": {"mean": mean, **FIGURES}} for when, mean in means.items()}
    database.update_run(
        engine, run.id, state="finished", results=json.dumps(results), ended=database.now()
    )
    record.add(Path(run.folder), {"imitation": {"passed": True, "line": LINE}})
    page = open_page("runs", run=run.id, tab="Before and after")
    assert list(page.table[0].value.columns[1:]) == ["Untrained", "Imitated", "Trained"]
    assert "35% (20 to 60)" in str(page.table[0].value)
    assert "gate passed" in words(page)
