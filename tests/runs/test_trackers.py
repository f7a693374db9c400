"""A training tells its figures to the trackers that it names; one whose package is not here holds the start back."""

import sys
from importlib.machinery import PathFinder
from pathlib import Path

import pytest
from sqlmodel import Session, select

from memfactory_core.config import load
from memfactory_core.errors import ConfigError
from memfactory_core.runs import checks, database, jobs
from memfactory_core.runs.tables import Metric
from memfactory_core.runs.worker import work

SMALL = [
    "paradigm.updater.max_tokens=12", "paradigm.answer_tokens=6", "training.steps=2", "training.groups=1",
    "training.group_size=2", "training.warmup_steps=0", "evaluation.examples=1", "evaluation.samples=0",
    'training.report_to=["tensorboard"]',
]  # fmt: skip


@pytest.fixture
def without_tensorboard(monkeypatch):
    """An installation in which no path holds the package."""

    class Without(PathFinder):
        @classmethod
        def find_spec(cls, name, path=None, target=None):
            return None if name == "tensorboard" else super().find_spec(name, path, target)

    monkeypatch.delitem(sys.modules, "tensorboard", raising=False)
    others = [finder for finder in sys.meta_path if finder is not PathFinder]
    monkeypatch.setattr(sys, "meta_path", [*others, Without])


def test_a_tracker_that_is_not_installed_is_refused_before_a_run_is_made(lab, without_tensorboard):
    config = load("memagent-tiny", SMALL)
    with pytest.raises(ConfigError, match=r"report_to: .*'tensorboard' .*pip install tensorboard"):
        jobs.begin(lab, config)
    assert database.list_runs(lab) == []
    [failed] = [check for check in checks.find_checks(lab, config) if not check.passed]
    assert failed.name == "Trackers" and "pip install tensorboard" in failed.told


def test_only_a_training_that_names_one_is_looked_at(lab, without_tensorboard):
    for settings in (["training.report_to=[]"], ["mode=evaluate"]):
        names = [
            one.name for one in checks.find_checks(lab, load("memagent-tiny", [*SMALL, *settings]))
        ]
        assert "Data" in names and "Trackers" not in names
    with pytest.raises(ConfigError, match="training.report_to"):
        load("memagent-tiny", ['training.report_to=["abacus"]'])


def test_tensorboard_is_told_what_the_lab_keeps(lab):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = load("memagent-tiny", SMALL)
    run = work(lab, jobs.create(lab, config).id)
    assert run.state == "finished", run.reason
    [written] = (Path(run.folder) / "checkpoints" / "runs").glob("*")
    told = EventAccumulator(str(written)).Reload()
    with Session(lab) as session:
        rows = session.exec(select(Metric).where(Metric.run_id == run.id, Metric.name == "reward"))
        kept = {row.step: row.value for row in rows}
    assert {event.step: event.value for event in told.Scalars("train/reward")} == pytest.approx(
        kept
    )
    assert set(kept) == {1, 2}
