"""One worker for each run: whoever comes second is told so, and whoever lost the run writes nothing more."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from sqlmodel import Session, select

from memfactory_core.config import load
from memfactory_core.errors import RunError
from memfactory_core.runs import database, jobs, recording
from memfactory_core.runs.lease import LeaseLost
from memfactory_core.runs.tables import EpisodeRow, Metric, Run
from memfactory_core.runs.worker import Work, work
from tests.conftest import ON_BOTH
from tests.races import race, workers_of

pytestmark = ON_BOTH

SCRIPTED = ["mode=evaluate", "policy=scripted", "evaluation.examples=6", "evaluation.samples=1"]


def make(lab, *more):
    return jobs.create(lab, load("memagent-tiny", [*SCRIPTED, *more]))


@pytest.mark.parametrize("count", [2, pytest.param(8, marks=pytest.mark.slow)])
def test_of_two_tabs_and_two_shells_one_starts_the_run(lab, count):
    for run_id, starters in race(lab, count):
        assert (starters, workers_of(lab, run_id)) == (1, 1)


@pytest.mark.parametrize("state", ["starting", "running", "stopping", "finished"])
def test_a_run_with_a_worker_or_an_end_is_not_started(lab, state):
    run = make(lab)
    now = database.now()
    database.update_run(lab, run.id, state=state, pid=os.getpid(), born=1.0, heartbeat=now)
    with pytest.raises(RunError, match=f"run {run.id} is {state}; only runs that were stopped"):
        jobs.start(lab, run)
    with pytest.raises(LeaseLost, match=f"is {state}"):
        work(lab, run.id)
    assert database.get_run(lab, run.id).state == state
    assert not (Path(run.folder) / "log.txt").exists()


def test_a_token_that_is_not_the_runs_claims_nothing(lab):
    run = make(lab)
    database.update_run(lab, run.id, state="starting", token="theirs")
    with pytest.raises(LeaseLost):
        work(lab, run.id, "mine")
    assert work(lab, run.id, "theirs").state == "finished"


def test_a_worker_that_lost_its_run_writes_nothing_more(lab, capsys):
    class Robbed(Work):
        def evaluate(self, when, sampler, examples, step):
            thief = {"token": "another", "pid": 1, "phase": "theirs"}
            database.update_run(lab, self.run.id, **thief)
            (self.folder / "stop").touch()
            super().evaluate(when, sampler, examples, step)

    run = make(lab)
    Robbed(lab, run).carry_out()
    after = database.get_run(lab, run.id)
    assert (after.state, after.token, after.phase) == ("running", "another", "theirs")
    assert (after.ended, after.reason, after.summary) == (None, "", {})
    assert (Path(run.folder) / "stop").exists(), "it is for the other one"
    with Session(lab) as session:
        assert session.exec(select(EpisodeRow)).all() == []
    assert "is not the worker of run" in capsys.readouterr().out


def test_every_kind_of_write_needs_the_lease(lab):
    run = make(lab)
    lease = jobs.claim(lab, run.id)
    mine = lab.execution_options(lease=lease)
    recording.save_metrics(mine, run.id, 1, {"reward": 0.5})
    database.update_run(lab, run.id, token="another")
    for write in (
        lambda: recording.save_metrics(mine, run.id, 2, {"reward": 0.5}),
        lambda: recording.forget_episodes(mine, run.id, "train"),
        lambda: recording.save_episodes(mine, run.id, "train", 1, []),
        lambda: database.update_run(mine, run.id, phase="mine"),
    ):
        with pytest.raises(LeaseLost):
            write()
    with Session(lab) as session:
        assert [point.step for point in session.exec(select(Metric)).all()] == [1]
    assert database.get_run(lab, run.id).phase == ""


def test_a_run_called_lost_is_not_written_by_the_worker_that_comes_back(lab):
    run = make(lab)
    mine = lab.execution_options(lease=jobs.claim(lab, run.id))
    database.update_run(lab, run.id, state="lost")
    with pytest.raises(LeaseLost):
        database.update_run(mine, run.id, state="finished")
    assert database.get_run(lab, run.id).state == "lost"


def test_a_flag_left_by_an_earlier_stop_does_not_stop_the_next_start(lab):
    run = make(lab)
    database.update_run(lab, run.id, state="lost")
    (Path(run.folder) / "stop").touch()
    done = work(lab, run.id)
    assert (done.state, done.reason) == ("finished", "")
    assert not (Path(run.folder) / "stop").exists()


def test_a_stop_that_comes_while_the_process_starts_is_kept(lab):
    run = make(lab)
    database.update_run(lab, run.id, state="starting", token="t", heartbeat=database.now())
    assert jobs.request_stop(lab, run.id).state == "stopping"
    (Path(run.folder) / "stop").unlink()  # as a start clears it that was a moment slower
    assert work(lab, run.id, "t").state == "stopped"


def test_what_a_look_finds_does_not_overwrite_a_run_that_was_resumed_meanwhile(lab):
    run = make(lab)
    database.update_run(lab, run.id, state="running", pid=os.getpid(), born=1.0, token="old")
    seen = database.get_run(lab, run.id)
    database.update_run(lab, run.id, state="starting", token="new", pid=None, born=None)
    same = (Run.state == seen.state, Run.token == seen.token)
    assert not database.update_run_if(lab, run.id, *same, state="lost")
    database.update_run(lab, run.id, heartbeat=database.now())
    jobs.reap(lab)
    assert database.get_run(lab, run.id).state == "starting"
    database.update_run(lab, run.id, heartbeat=database.now() - jobs.STARTING - 1)
    jobs.reap(lab)
    assert database.get_run(lab, run.id).state == "lost"


def test_elapsed_time_remembers_what_ran_before_a_resume(lab):
    run = make(lab)
    database.update_run(lab, run.id, state="stopped", started=1000.0, ended=1300.0)
    done = work(lab, run.id)
    assert done.seconds == pytest.approx(300.0)
    assert done.elapsed(database.now()) == pytest.approx(300 + done.ended - done.started)
    database.update_run(lab, run.id, state="lost", started=1000.0, ended=1040.0)
    assert work(lab, run.id).seconds == pytest.approx(340.0)


def test_a_worker_started_by_hand_in_a_shells_group_is_stopped_alone(lab):
    run = make(lab)
    code = "import time; time.sleep(60)"
    started = subprocess.Popen([sys.executable, "-c", code])  # in this test's own group
    born = psutil.Process(started.pid).create_time()
    database.update_run(lab, run.id, state="running", pid=started.pid, born=born)
    assert jobs.stop(lab, run.id, patience=0.0).state == "stopped"
    assert not psutil.pid_exists(started.pid)
    started.wait()
