"""How far an evaluation is and how long it will take: told while it goes on, kept for the time left of a training."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from memfactory_core.config import load
from memfactory_core.policies.scripted import ScriptedSampler
from memfactory_core.runs import database, jobs, measuring, worker
from memfactory_core.runs.interrupt import Stopped
from memfactory_core.runs.progress import report_progress, sections_by_step
from memfactory_core.runs.supervisor import FLAG
from memfactory_core.runs.worker import Work
from memfactory_core.scoring import evaluate as evaluation
from memfactory_core.scoring.evaluate import evaluate
from memfactory_core.scoring.split import training_examples
from tests.app.test_pages import open_page

SMALL = ["mode=evaluate", "policy=scripted", "evaluation.examples=6", "evaluation.samples=1"]


def test_progress_goes_up_to_all_attempts(monkeypatch):
    monkeypatch.setattr(evaluation, "BATCH", 4)
    config = load("memagent-tiny", SMALL)
    told = []
    evaluate(
        config.paradigm, ScriptedSampler("overlap", 0), config.held_out.examples(6, 1000, "heldout"),
        config.reward, 1, on_progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    shares = [done for done, _ in told]
    assert {total for _, total in told} == {12}
    assert (
        shares == sorted(shares) and len(set(shares)) > 8
    )  # several rounds of each of four batches
    assert 0 <= shares[0] < 1 and 11 < shares[-1] <= 12


def test_a_run_tells_how_far_it_is_and_forgets_it_at_the_end(lab, monkeypatch):
    monkeypatch.setattr(measuring, "TOLD_EVERY", 0.0)
    run = jobs.create(lab, load("memagent-tiny", SMALL))
    seen = []
    update = Work.update
    monkeypatch.setattr(Work, "update", lambda self, **c: (seen.append(c), update(self, **c)))
    done = worker.work(lab, run.id)
    told = [change for change in seen if change.get("progress") is not None]
    assert len(told) > 3 and all(0 <= change["progress"] <= 1 for change in told)
    assert told[-1]["eta"] is not None and told[-1]["eta"] < 5
    assert (done.state, done.progress, done.eta) == ("finished", None, None)
    kept = json.loads((Path(run.folder) / "run.json").read_text())
    assert 0 < kept["evaluation_seconds"] == measuring.expected_seconds(Path(run.folder)) < 60


def test_the_time_left_of_a_training_holds_its_last_evaluation(lab):
    run = jobs.create(lab, load("memagent-tiny", ["training.steps=10"]))
    work = Work(lab, run)
    work.evaluation_seconds = 45.0
    work.keep_progress(step=4, done=2, left=18.0)
    assert database.get_run(lab, run.id).eta == pytest.approx(18 + 45)


def test_the_time_left_is_by_what_the_steps_read(lab, monkeypatch):
    """Two steps of one section, then four of three: the quick first ones do not promise quick ones."""
    stage = 'training.stages=[{"steps": 2, "task": {"chunks": 1}}]'
    chosen = load(
        "memagent-tiny", ["task.chunks=3", "training.steps=6", "training.groups=2", stage]
    )
    sections = sections_by_step(training_examples(chosen), chosen.training)
    assert sections == [4, 4, 8, 8, 8, 8]
    twice = chosen.training.model_copy(update={"reuse": 2})
    assert sections_by_step(training_examples(chosen), twice) == [4, 4, 4, 4, 8, 8]
    work = Work(lab, jobs.create(lab, chosen))
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    told = report_progress(work, sections)
    state, control = SimpleNamespace(global_step=0), SimpleNamespace(should_save=False)
    told.on_train_begin(None, state, control)
    now[0], state.global_step = 110.0, 2
    told.on_step_end(None, state, control)
    assert database.get_run(lab, work.run.id).eta == pytest.approx(10 * 32 / 8)


def test_where_nothing_was_measured_nothing_is_expected(lab, tmp_path):
    run = jobs.create(lab, load("memagent-tiny"))
    assert measuring.expected_seconds(Path(run.folder)) == 0.0
    assert measuring.expected_seconds(tmp_path / "nowhere") == 0.0


def test_an_evaluation_is_stopped_between_two_rounds(lab, monkeypatch):
    monkeypatch.setattr(measuring, "TOLD_EVERY", 0.0)
    run = jobs.create(lab, load("memagent-tiny", SMALL))
    clock = measuring.Clock(Work(lab, run), ends_run=True)
    clock.tell(1.0, 12)
    (Path(run.folder) / FLAG).touch()
    with pytest.raises(Stopped):
        clock.tell(2.0, 12)


def test_patience_counts_steps_and_not_the_evaluation(lab):
    run = jobs.create(lab, load("memagent-tiny", ["training.steps=100"]))
    now = database.now()
    run = database.update_run(lab, run.id, step=99, started=now - 99 * 20, eta=20 + 3600)
    assert jobs.patience_with(run) == pytest.approx(60, abs=1)


def test_the_page_shows_the_share_and_a_bar(lab, monkeypatch):
    monkeypatch.setattr("memfactory_core.runs.examples.ensure", lambda engine: [])
    run = jobs.create(lab, load("memagent-tiny", SMALL))
    now = database.now()
    database.update_run(
        lab, run.id, state="running", heartbeat=now, started=now - 30, phase="evaluating",
        progress=0.4, eta=45.0,
    )  # fmt: skip
    page = open_page("runs", run=run.id)
    told = [one.value for one in page.markdown]
    wanted = r"evaluating 40% · \d+ s so far · about 45 s left"
    assert any(re.fullmatch(wanted, one) for one in told), told
    assert [bar.proto.value for bar in page.get("progress")] == [40]
    database.update_run(lab, run.id, state="finished", ended=now, progress=None)
