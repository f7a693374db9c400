"""A run's supervisor: small, not needed, and a witness of how the worker ended."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch

from memfactory_core.config import load
from memfactory_core.runs import database, jobs
from memfactory_core.runs.ending import Ending, cause_in_words, conclude, read_ending
from memfactory_core.runs.worker import work
from tests.misbehaving import make, prepare, until

SCRIPTED = ["mode=evaluate", "policy=scripted", "evaluation.examples=4", "evaluation.samples=0"]


@pytest.fixture
def place(tmp_path, monkeypatch, registry):
    """A folder of parts that misbehave."""
    prepare(tmp_path / "parts")
    monkeypatch.setenv("MEMFACTORY_PARTS", str(tmp_path / "parts"))
    return tmp_path / "parts"


def begin(lab, place, how):
    """A run that has reached the point where it misbehaves."""
    run = jobs.start(lab, make(lab, place, how))
    until((place / "reached").exists)
    return database.get_run(lab, run.id)


def supervisor_of(run):
    """Its process; without site-packages in its memory."""
    return psutil.Process(run.pid).parent()


def test_a_supervisor_is_small_and_loads_the_standard_library_alone(lab, place):
    run = begin(lab, place, "wait")
    parent = supervisor_of(run)
    assert "supervisor.py" in " ".join(parent.cmdline())
    assert parent.memory_info().rss < 20_000_000
    files = [entry.path for entry in parent.memory_maps(grouped=True)]
    assert not [path for path in files if "site-packages" in path]
    assert os.getsid(parent.pid) == parent.pid and os.getsid(run.pid) == run.pid
    jobs.stop(lab, run.id, patience=0.0)
    assert not psutil.pid_exists(run.pid)


def test_a_run_goes_on_without_its_supervisor(lab):
    settings = ["training.steps=3", "training.groups=2", "training.group_size=2", "evaluation.examples=2",
                "evaluation.samples=0"]  # fmt: skip
    run = jobs.start(lab, jobs.create(lab, load("memagent-tiny", settings)))
    parent = supervisor_of(run)
    parent.kill()
    parent.wait(10)
    until(lambda: (jobs.reap(lab), database.get_run(lab, run.id).state == "finished")[1], 200)
    done = database.get_run(lab, run.id)
    assert (done.step, done.reason, done.exit_code) == (3, "", None)


def test_killed_with_its_supervisor_a_run_is_called_lost_and_nothing_is_claimed_to_be_known(
    lab, place
):
    run = begin(lab, place, "family")
    supervisor_of(run).kill()
    os.killpg(run.pid, signal.SIGKILL)
    until(lambda: (jobs.reap(lab), database.get_run(lab, run.id).state == "lost")[1], 10)
    lost = database.get_run(lab, run.id)
    assert lost.reason.startswith("the process ended without a word (killed? out of memory?)")
    assert (lost.exit_code, lost.exit_signal, lost.peak_memory) == (None, "", None)


@pytest.mark.parametrize(
    ("how", "code", "sign", "said"),
    [
        (
            "crash",
            None,
            "SIGSEGV",
            "the process crashed (SIGSEGV), a fault in a native library; it",
        ),
        ("exit", 3, "", "the process ended without a word (exit code 3)"),
    ],
)
def test_the_end_of_a_process_is_recorded_without_anybody_looking(
    lab, place, how, code, sign, said
):
    run = jobs.start(lab, make(lab, place, how))
    until(lambda: database.get_run(lab, run.id).state == "lost")
    ended = database.get_run(lab, run.id)
    assert (ended.exit_code, ended.exit_signal, ended.out_of_memory) == (code, sign, False)
    assert ended.reason.startswith(said)


def test_a_run_that_ends_well_has_exit_code_0(lab):
    run = jobs.start(lab, jobs.create(lab, load("memagent-tiny", SCRIPTED)))
    until(lambda: database.get_run(lab, run.id).exit_code is not None)
    done = database.get_run(lab, run.id)
    assert (done.state, done.exit_code, done.exit_signal) == ("finished", 0, "")
    assert 10_000_000 < done.peak_memory < 10_000_000_000


LIMITED = """
import os, sys
from pathlib import Path
group = Path(sys.argv[1])
(group / "cgroup.procs").write_text(str(os.getpid()))
from memfactory_core.runs import database, jobs
from tests.misbehaving import make
lab = database.connect(jobs.database_url())
print(jobs.start(lab, make(lab, Path(sys.argv[2]), "eat")).id)
"""


@pytest.fixture
def small_group(tmp_path):
    """A control group whose processes may use 600 MB together."""
    own = [line.split(":") for line in Path("/proc/self/cgroup").read_text().splitlines()]
    names = {controllers: group for _, controllers, group in own}
    group = Path(f"/sys/fs/cgroup/memory{names.get('memory', '/none')}") / tmp_path.name
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(600 * 2**20))
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    yield group
    until(lambda: not (group / "cgroup.procs").read_text(), 30)
    group.rmdir()


def test_the_kernels_end_for_want_of_memory_is_called_so(lab, place, small_group):
    started = subprocess.run(
        [sys.executable, "-c", LIMITED, str(small_group), str(place)],
        capture_output=True,
        text=True,
    )
    run_id = started.stdout.strip()
    assert run_id, started.stderr
    until(lambda: database.get_run(lab, run_id).state == "lost")
    ended = database.get_run(lab, run_id)
    assert (ended.exit_signal, ended.out_of_memory) == ("SIGKILL", True)
    assert ended.reason.startswith(
        "memory ran out and the system ended the process (it had used up"
    )
    assert "choose fewer groups" in ended.reason
    # pages of files that others share are counted for the process, not for the group
    assert 300 * 2**20 < ended.peak_memory < 900 * 2**20


def test_memory_that_runs_out_within_the_process_is_named(tmp_path):
    for allocate in (lambda: bytearray(2**60), lambda: torch.empty(2**50)):
        with pytest.raises((MemoryError, RuntimeError)) as caught:
            allocate()
        assert cause_in_words(caught.value, tmp_path).startswith("memory ran out (")
    gpu = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nIf reserved ...")
    said = cause_in_words(gpu, tmp_path)
    assert said.startswith(
        "memory ran out (CUDA out of memory. Tried to allocate 2.00 GiB.): choose"
    )
    assert cause_in_words(RuntimeError("shape"), tmp_path) == "RuntimeError: shape"


WHOLE = (
    '{"token": "t", "exit_code": %s, "exit_signal": "%s", "out_of_memory": null, "peak_memory": %s}'
)
CODE, SIGN, PEAK = WHOLE % ("%d", "", 1), WHOLE % (1, "%s", 1), WHOLE % (1, "", "%d")


DAMAGED = ["", "{", "[]", '{"token": "t"}', "[" * 100_000, CODE % 256, CODE % 10**400, PEAK % 2**70, PEAK % -1,
           SIGN % "\\u001b["]  # fmt: skip


@pytest.mark.parametrize("written", DAMAGED)
def test_a_record_of_the_end_that_cannot_be_read_or_is_of_an_earlier_worker_says_nothing(
    tmp_path, written
):
    (tmp_path / "ending.json").write_text(written)
    assert read_ending(tmp_path, "t") is None
    whole = Ending(token="t", exit_code=1, exit_signal="", out_of_memory=None, peak_memory=1)
    (tmp_path / "ending.json").write_text(json.dumps(whole.model_dump()))
    assert read_ending(tmp_path, "t") == whole
    assert read_ending(tmp_path, "other") is None
    (tmp_path / "log.txt").write_text("error: the disk is full\n")
    assert conclude(tmp_path, whole) == ("failed", "the disk is full")


def family_of(place):
    return [int(pid) for pid in (place / "family").read_text().split()]


@pytest.mark.parametrize("witness", ["with its supervisor", "without"])
def test_a_stopped_run_leaves_no_process_behind(lab, place, witness):
    run = begin(lab, place, "family deaf")
    if witness == "without":
        supervisor_of(run).kill()
        # one that left the worker's session and its parent cannot be told from a stranger then
        os.kill(family_of(place).pop(), signal.SIGKILL)
    stopped = jobs.stop(lab, run.id, patience=0.2)
    assert stopped.state == "stopped"
    for pid in (run.pid, *family_of(place)):
        until(lambda pid=pid: not psutil.pid_exists(pid) or is_zombie(pid), 5)


def is_zombie(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(("how", "sign"), [("family", ""), ("deaf", "SIGKILL")])
def test_a_stop_from_a_page_is_carried_through_by_the_supervisor(lab, place, how, sign):
    run = begin(lab, place, how)
    assert jobs.request_stop(lab, run.id, patience=0.5).state == "stopping"
    until(lambda: database.get_run(lab, run.id).state == "stopped", 40)
    until(lambda: not psutil.pid_exists(run.pid), 5)
    until(lambda: database.get_run(lab, run.id).peak_memory, 20)
    stopped = database.get_run(lab, run.id)
    assert (stopped.exit_signal, stopped.reason) == (sign, "")
    assert "not stopped after" in (Path(run.folder) / "log.txt").read_text()


def test_sigterm_from_outside_is_said_and_the_run_can_be_resumed(lab, place):
    run = begin(lab, place, "wait")
    os.kill(run.pid, signal.SIGTERM)
    until(lambda: database.get_run(lab, run.id).state == "stopped", 20)
    assert database.get_run(lab, run.id).reason == "its process was asked to end (SIGTERM)"
    (place / "reached").unlink()
    again = jobs.start(lab, database.get_run(lab, run.id))
    until((place / "reached").exists)
    assert jobs.stop(lab, again.id, patience=0.0).state == "stopped"


def test_a_run_that_saves_is_not_ended_meanwhile_and_a_second_stop_does_not_hurry_it(lab, place):
    run = begin(lab, place, "deaf")
    (Path(run.folder) / "stop").write_text("saving")
    database.update_run(lab, run.id, state="stopping")
    jobs.request_stop(lab, run.id, patience=0.0)
    with pytest.raises(AssertionError):
        until(lambda: not jobs.alive(run), 2)
    (Path(run.folder) / "stop").write_text("0")
    until(lambda: not jobs.alive(run), 30)


def test_a_worker_leaves_the_handling_of_signals_as_it_found_it(lab):
    assert work(lab, jobs.create(lab, load("memagent-tiny", SCRIPTED)).id).state == "finished"
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_run_that_was_called_lost_before_its_end_was_written_is_told_the_reason(lab):
    run = jobs.create(lab, load("memagent-tiny", SCRIPTED))
    folder = Path(run.folder)
    state, reason = conclude(folder, None)
    database.update_run(lab, run.id, state=state, reason=reason)
    assert "SIGKILL" not in reason
    ending = Ending(
        token=run.token, exit_code=None, exit_signal="SIGKILL", out_of_memory=False, peak_memory=2**30
    )  # fmt: skip
    (folder / "ending.json").write_text(ending.model_dump_json())
    jobs.settle(lab, run.id)
    told = database.get_run(lab, run.id)
    assert (told.state, told.exit_signal) == ("lost", "SIGKILL")
    assert told.reason.startswith("the process was killed (SIGKILL); memory had not run out")
