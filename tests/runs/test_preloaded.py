"""Workers forked from a process that has read the libraries: the same run, under the same small supervisor, sooner."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from memfactory_core.config import load
from memfactory_core.errors import RunError
from memfactory_core.runs import database, jobs, preloaded
from tests.misbehaving import make, prepare, until

SHORT = ["training.steps=1", "training.groups=1", "training.group_size=2", "evaluation.examples=1",
         "evaluation.samples=0"]  # fmt: skip
SCRIPTED = ["mode=evaluate", "policy=scripted", "evaluation.examples=2", "evaluation.samples=0"]
MINE = "preloaded.py"


def await_ready():
    until(lambda: preloaded.current(dict(os.environ) | preloaded.CALM) is not None)
    return preloaded.current(dict(os.environ) | preloaded.CALM)


@pytest.fixture
def full(lab):
    """The process that has read the libraries, ready."""
    preloaded.preload()
    return await_ready()


@pytest.fixture
def ready(lab, monkeypatch):
    """One that has read nothing, which takes five seconds less and forks in the same way."""
    bare = preloaded.Preloaded(())
    monkeypatch.setattr(preloaded, "_CURRENT", [bare])
    yield await_ready()
    preloaded.forget()
    if bare.alive():
        bare.end()


@pytest.fixture
def place(tmp_path, monkeypatch, registry):
    """A folder of parts that misbehave."""
    prepare(tmp_path / "parts")
    monkeypatch.setenv("MEMFACTORY_PARTS", str(tmp_path / "parts"))
    return tmp_path / "parts"


def is_forked(run):
    return MINE in " ".join(psutil.Process(run.pid).cmdline())


def finished(lab, run):
    until(lambda: (jobs.reap(lab), database.get_run(lab, run.id).ended)[1], 200)
    return database.get_run(lab, run.id)


def test_a_training_is_forked_and_ends_as_any_other(lab, full):
    run = jobs.start(lab, jobs.create(lab, load("memagent-tiny", SHORT)))
    assert is_forked(run)
    done = finished(lab, run)
    assert (done.state, done.step, done.reason) == ("finished", 1, "")
    until(lambda: database.get_run(lab, run.id).exit_code == 0)


def test_a_forked_worker_has_a_small_supervisor_of_its_own(lab, ready, place):
    run = jobs.start(lab, make(lab, place, "wait"))
    until((place / "reached").exists)
    worker = psutil.Process(run.pid)
    parent = worker.parent()
    assert is_forked(run) and "supervisor.py" in " ".join(parent.cmdline())
    assert not [m.path for m in parent.memory_maps() if "site-packages" in m.path]
    assert os.getsid(parent.pid) == parent.pid and os.getsid(run.pid) == run.pid
    assert worker.cwd() == str(jobs.root().parent)
    os.kill(run.pid, signal.SIGKILL)
    until(lambda: database.get_run(lab, run.id).state == "lost")
    assert "was killed (SIGKILL)" in database.get_run(lab, run.id).reason
    until(lambda: not psutil.pid_exists(parent.pid) or parent.status() == psutil.STATUS_ZOMBIE)


def test_what_it_forked_goes_on_without_it(lab, ready, place):
    run = jobs.start(lab, make(lab, place, "wait"))
    preloaded.forget()
    until((place / "reached").exists)
    assert not psutil.pid_exists(ready.pid) and jobs.alive(run)
    assert jobs.stop(lab, run.id, patience=0.0).state == "stopped"
    plain = jobs.start(lab, jobs.create(lab, load("memagent-tiny", SCRIPTED)))
    assert not is_forked(plain)
    assert finished(lab, plain).state == "finished"


def test_one_that_was_killed_is_not_asked_and_the_next_takes_its_place(lab, ready):
    os.kill(ready.pid, signal.SIGKILL)
    run = jobs.start(lab, jobs.create(lab, load("memagent-tiny", SCRIPTED)))
    assert finished(lab, run).state == "finished"
    preloaded.preload(())
    assert await_ready().pid != ready.pid


def test_libraries_that_would_have_read_another_environment_are_read_anew(lab, ready, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    run = jobs.start(lab, jobs.create(lab, load("memagent-tiny", SCRIPTED)))
    assert not is_forked(run)
    assert finished(lab, run).state == "finished"


def test_beside_one_that_is_only_late_no_other_worker_is_started(lab, ready, monkeypatch):
    monkeypatch.setattr("memfactory_core.runs.process.STARTING", 0.5)
    begun = []
    monkeypatch.setattr("memfactory_core.runs.process.subprocess.Popen", begun.append)
    os.kill(ready.pid, signal.SIGSTOP)
    with pytest.raises(RunError, match="its supervisor did not start"):
        jobs.start(lab, jobs.create(lab, load("memagent-tiny", SCRIPTED)))
    assert not begun
    os.kill(ready.pid, signal.SIGKILL)


def start(ready, program, work, folder, out):
    """A supervisor's place is taken by `program`."""
    with open(folder / "log", "ab") as log:
        assert ready.start(program, work, folder, dict(os.environ), out.fileno(), log.fileno())


def test_without_a_supervisor_no_worker_begins(ready, tmp_path):
    (tmp_path / "touches.py").write_text("open('begun', 'w')")
    with open(tmp_path / "out", "wb") as out:
        start(ready, [sys.executable, "-c", "print('here')"], ["touches"], tmp_path, out)
    until(lambda: "here" in (tmp_path / "out").read_text())
    until(lambda: not [p for p in psutil.process_iter() if forked_in(p, tmp_path)])
    assert not (tmp_path / "begun").exists()


def forked_in(process, folder):
    try:
        return process.cwd() == str(folder)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


BEGIN = "import os, sys; os.write(int(sys.argv[2]), b'1'); os.waitpid(int(sys.argv[1]), 0)"
DRAWN = """
import random, sys, numpy, torch
print(random.random(), numpy.random.random(), sys.argv, torch.get_num_threads(), file=sys.stderr, flush=True)
"""


def test_the_forked_draw_numbers_of_their_own(full, tmp_path):
    (tmp_path / "draws.py").write_text(DRAWN)
    with open(tmp_path / "out", "wb") as out:
        for _ in range(2):
            start(full, [sys.executable, "-c", BEGIN], ["draws", "7"], tmp_path, out)
    until(lambda: (tmp_path / "log").read_text().count("\n") == 2)
    first, second = (line.split() for line in (tmp_path / "log").read_text().splitlines())
    assert first[0] != second[0] and first[1] != second[1]
    assert first[2:] == second[2:] and "'7']" in first[3]


ASKS = """
import time
from memfactory_core.runs import preloaded
asked = preloaded.Preloaded({libraries})
print(asked.pid, flush=True)
time.sleep({seconds})
"""


@pytest.mark.parametrize(("libraries", "seconds"), [((), 1.0), (("sqlmodel",), 0.0)])
def test_it_ends_without_a_word_with_the_process_that_asked_for_it(lab, libraries, seconds):
    """Whether that has not taken note that all is read, or ends before it is."""
    asks = ASKS.format(libraries=libraries, seconds=seconds)
    asked = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True)
    until(lambda: not psutil.pid_exists(int(asked.stdout)))
    assert asked.stderr == ""


def test_a_store_with_threads_of_its_own_works_in_a_forked_worker(lab, full, tmp_path):
    settings = ["mode=evaluate", "policy=scripted", "evaluation.examples=2", "evaluation.samples=0",
                "paradigm.store.kind=lance"]  # fmt: skip
    run = jobs.start(lab, jobs.create(lab, load("memory-r1-tiny", settings)))
    assert is_forked(run)
    assert finished(lab, run).state == "finished"


def test_a_start_does_not_wait_for_one_that_still_reads(lab, tmp_path, monkeypatch):
    (tmp_path / "slow_to_read.py").write_text("import time; time.sleep(600)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    reading = preloaded.Preloaded(["slow_to_read"])
    monkeypatch.setattr(preloaded, "_CURRENT", [reading])
    run = jobs.start(lab, jobs.create(lab, load("memagent-tiny", SCRIPTED)))
    assert reading.alive() and preloaded.waiting() and not is_forked(run)
    assert finished(lab, run).state == "finished"
    reading.end()
    assert not preloaded.waiting()
