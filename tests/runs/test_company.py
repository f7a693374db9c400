"""Several processes train one run together: the same step as one alone, one worker, nobody left behind."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from sqlmodel import Session, select

from memfactory_core.config import Training, load
from memfactory_core.policies.imitation import Imitation
from memfactory_core.runs import database, jobs
from memfactory_core.runs.tables import EpisodeRow, Metric
from tests.misbehaving import until

SMALL = [
    "training.processes=2", "training.groups=2", "training.group_size=2", "evaluation.examples=2",
    "evaluation.samples=0", "training.warmup_steps=0",
]  # fmt: skip
ENDS = '''
"""Ends the second process at its first write."""
import os
from memfactory_core.updaters.overwrite import Overwrite


class Ends(Overwrite, kind="ends"):
    """Ends."""

    def update(self, facts, context):
        if os.environ.get("RANK") == "1":
            os._exit(7)
        return super().update(facts, context)
'''


def step(folder, count):
    """The gradients and turns that `count` processes found in one step."""
    folder.mkdir()
    place = {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
    command = [sys.executable, "-m", "tests.training.shared_step", str(folder)]
    ranks = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} | place for rank in range(count)]
    began = [
        subprocess.Popen(command, env=os.environ | (one if count > 1 else {})) for one in ranks
    ]
    assert [process.wait(200) for process in began] == [0] * count
    return [torch.load(folder / f"{rank}.pt") for rank in range(count)]


@pytest.mark.slow
def test_two_processes_take_the_step_of_one(tmp_path):
    (alone,) = step(tmp_path / "one", 1)
    first, second = step(tmp_path / "two", 2)
    assert len(set(alone["turns"])) > 1, (
        "conversations of several lengths: the processes' turns are uneven"
    )
    assert sum(first["turns"][:6]) != sum(first["turns"][6:])
    assert first["turns"] == alone["turns"], "the first process hears of all attempts"
    most = max(float(one.norm()) for one in alone["gradients"].values())
    assert most > 1e-3
    for name, gradient in first["gradients"].items():
        assert torch.equal(gradient, second["gradients"][name]), name
        off = (gradient - alone["gradients"][name]).norm()
        assert off <= 1e-3 * max(float(alone["gradients"][name].norm()), 0.01 * most), name


def test_a_run_of_two_processes_records_all_and_leaves_nobody_behind(lab):
    run = jobs.start(lab, jobs.create(lab, load("memagent-tiny", [*SMALL, "training.steps=2"])))
    others, listening = set(), set()
    state = "starting"
    while state in ("starting", "running"):
        jobs.reap(lab)
        now = database.get_run(lab, run.id)
        state = now.state
        if now.pid:
            with contextlib.suppress(psutil.NoSuchProcess):  # it ended meanwhile
                children = psutil.Process(now.pid).children()
                others |= {child.pid for child in children}
                for one in (psutil.Process(now.pid), *children):
                    listening |= {c.laddr.ip for c in one.net_connections() if c.status == "LISTEN"}
    done = database.get_run(lab, run.id)
    assert (done.state, done.reason, done.step) == ("finished", "", 2)
    assert others
    assert listening <= {"127.0.0.1", "::1"}, "nobody outside this machine can reach them"
    until(lambda: not any(psutil.pid_exists(pid) for pid in others), 20)
    with Session(lab) as session:
        rows = session.exec(select(EpisodeRow).where(EpisodeRow.phase == "train")).all()
        rewards = session.exec(select(Metric).where(Metric.name == "reward")).all()
    assert (
        sorted((row.step, row.group_id) for row in rows)
        == sorted((row.step, f"{row.step}-{row.example_id}") for row in rows)
        and len(rows) == 8
    )
    for point in rewards:
        told = [row.reward for row in rows if row.step == point.step]
        assert point.value == pytest.approx(sum(told) / 4, abs=1e-4), "curves are of all attempts"


def test_where_one_of_them_ends_the_run_says_which(lab, tmp_path, monkeypatch, registry):
    (tmp_path / "ends.py").write_text(ENDS)
    monkeypatch.setenv("MEMFACTORY_PARTS", str(tmp_path))
    settings = [*SMALL, "training.steps=2", "paradigm.updater.kind=ends"]
    run = jobs.start(lab, jobs.create(lab, load("memagent-tiny", settings)))
    until(lambda: (jobs.reap(lab), database.get_run(lab, run.id).state == "failed")[1], 200)
    assert database.get_run(lab, run.id).reason.startswith(
        "process 1 of training.processes ended with 7"
    )


@pytest.mark.slow
def test_killed_and_resumed_it_ends_with_the_weights_of_an_undisturbed_run(lab):
    settings = [*SMALL, "training.steps=6", "training.save_every=2"]
    weights = []
    for disturbed in (False, True):
        run = jobs.start(lab, jobs.create(lab, load("memagent-tiny", settings)))
        if disturbed:
            until(lambda run=run: database.get_run(lab, run.id).step >= 3, 200)
            pid = database.get_run(lab, run.id).pid
            others = [child.pid for child in psutil.Process(pid).children()]
            os.kill(pid, signal.SIGKILL)
            until(
                lambda run=run: (jobs.reap(lab), database.get_run(lab, run.id).state == "lost")[1]
            )
            until(lambda others=others: not any(psutil.pid_exists(other) for other in others), 10)
            jobs.start(lab, database.get_run(lab, run.id))
        until(
            lambda run=run: (jobs.reap(lab), database.get_run(lab, run.id).state == "finished")[1],
            250,
        )
        weights.append(load_file(Path(run.folder) / "policy" / "model.safetensors"))
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_demonstrations_that_do_not_divide_are_refused_before_a_start_too():
    with pytest.raises(ValidationError, match=r"micro_batches \(3\) must divide batch \(8\)"):
        Imitation(steps=1, batch=8, micro_batches=3)
    assert not Imitation(batch=8, micro_batches=3).steps, "nothing is imitated"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"groups": 3, "processes": 2}, "processes (2) must divide groups (3)"),
        (
            {"groups": 2, "group_size": 2, "micro_batches": 3},
            "micro_batches (3) must divide the 4 attempts in",
        ),
        (
            {"groups": 2, "group_size": 3, "processes": 2, "micro_batches": 2},
            "micro_batches (2) must divide the 3 attempts of each process in a step",
        ),
    ],
)
def test_what_cannot_be_shared_is_refused_before_a_start(settings, said):
    with pytest.raises(ValidationError) as refused:
        Training(**settings)
    assert said in str(refused.value)
