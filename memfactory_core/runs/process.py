"""The processes of a run: its worker under a supervisor of its own, whether it lives, and its end with all that it
started."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from memfactory_core import component
from memfactory_core.runs import preloaded, supervisor
from memfactory_core.runs.devices import environment_of
from memfactory_core.runs.tables import Run

STARTING = 60.0
"""Seconds that a start may take from its claim of the run until the process is known; a machine that is full took
more than eight."""

_NOT_STARTED = "its supervisor did not start; the log may say why"


def spawn(run: Run, environment: dict[str, str]) -> tuple[int, float]:
    """Starts the worker of a run that was claimed with `run.token`, under a supervisor, each in a session of its own;
    their output goes to log.txt. The worker's pid and create time; OSError where it cannot be started."""
    environment = os.environ | environment | environment_of(run.device) | preloaded.CALM | {
        # absolute, since the worker stands in another folder than the shell that named them
        component.FOLDERS: os.pathsep.join(map(str, component.part_folders())),
    }  # fmt: skip
    # isolated and without site-packages, so that it stays small; its worker is neither
    parent = [sys.executable, "-I", "-S", supervisor.__file__, run.folder, run.id, run.token]
    place = Path(environment["MEMFACTORY_RUNS"]).parent
    with open(Path(run.folder) / "log.txt", "ab") as log:
        line = _fork(
            parent, supervisor.command(run.id, run.token), place, environment, log.fileno()
        )
        if not line:
            told, tells = os.pipe()
            try:
                subprocess.Popen(
                    parent, stdin=subprocess.DEVNULL, stdout=tells, stderr=log, start_new_session=True,
                    env=environment, cwd=place,
                )  # fmt: skip
            finally:
                os.close(tells)
            line = _first_line(told)
    if not line.strip().isdigit():
        raise OSError(0, _NOT_STARTED)
    try:
        return int(line), psutil.Process(int(line)).create_time()
    except psutil.NoSuchProcess as error:
        raise OSError(0, "it ended at once; the log may say why") from error


def _fork(
    parent: list[str], work: list[str], place: Path, environment: dict[str, str], log: int
) -> bytes:
    """The supervisor's line where the worker could be forked from a process that has read the libraries; else nothing,
    and no worker is there."""
    source = preloaded.current(environment)
    if source is None:
        return b""
    told, tells = os.pipe()
    try:
        asked = source.start(parent, work[2:], place, environment, tells, log)
    finally:
        os.close(tells)
    return _first_line(told) if asked else b""


def _first_line(told: int) -> bytes:
    """What a supervisor says first, its worker's pid; nothing where none came to be, and a forked worker without one
    ends. OSError where it is only late: it may still come, and must not find another beside it."""
    with open(told, "rb", buffering=0) as lines:
        ready, _, _ = select.select([lines], [], [], STARTING)
        if not ready:
            raise OSError(0, _NOT_STARTED)
        return lines.readline()


def alive(run: Run) -> bool:
    """Whether the run's own worker process exists: same pid, same create time, not a zombie."""
    process = _process(run)
    try:
        return process is not None and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end(run: Run, grace: float) -> None:
    """Ends a run's worker by SIGTERM, then, after `grace` seconds, by SIGKILL; all that it started ends with it."""
    process = _process(run)
    started = []
    if process is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            started = process.children(recursive=True)
    for sign, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        if run.pid is not None and alive(run):
            _signal(run.pid, sign)
            wait_for_end(run, patience)
    end_all(started)
    end_leftovers(run)


def end_leftovers(run: Run) -> None:
    """Ends what a worker that is gone left in its session. A session's number is not given to another process while
    anybody is in it."""
    if not run.pid or not run.born:
        return
    left: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getsid(process.pid) == run.pid != os.getsid(0) and process.pid != run.pid:
                left += [process] if process.create_time() >= run.born - 1 else []
    end_all(left)


def end_all(processes: list[psutil.Process]) -> None:
    """SIGKILL to each that is still the process that was found."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def wait_for_end(run: Run, seconds: float) -> None:
    """Waits until the worker is gone, for so many seconds at most."""
    deadline = time.monotonic() + seconds
    while alive(run) and time.monotonic() < deadline:
        time.sleep(0.05)


def reap_children() -> None:
    """Takes note of this process's children that have ended, which would stay zombies."""
    for child in psutil.Process().children():
        # another thread may reap it between the look and the wait
        with contextlib.suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
            if child.status() == psutil.STATUS_ZOMBIE:
                child.wait(0.1)


def _process(run: Run) -> psutil.Process | None:
    if run.pid is None or run.born is None:
        return None
    try:
        process = psutil.Process(run.pid)
        return process if abs(process.create_time() - run.born) < 1 else None
    except psutil.NoSuchProcess:
        return None


def _signal(pid: int, sign: signal.Signals) -> None:
    """To the worker's group, so that what it started ends too; a worker started by hand is in the shell's group,
    which is left alone."""
    with contextlib.suppress(ProcessLookupError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, sign)
        else:
            os.kill(pid, sign)
