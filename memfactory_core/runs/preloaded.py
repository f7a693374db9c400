"""A process that has read the libraries of training and from which workers are forked: a start then takes half a second
instead of five, for all but the project's own modules is there already.

A program of its own (`python -P preloaded.py FD LIBRARY ...`), one for each process that starts runs and asked for it
by `preload`; it ends with that process. What it forks first is the run's supervisor, which forks the worker and then
becomes the small program that it always is: the parent of its worker, and no child's memory. Where none is ready, or
libraries read while they load is another, a run starts as it does anywhere and reads everything itself."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

LIBRARIES = (
    "sqlmodel", "typer", "alembic", "datasets", "torch", "transformers.trainer", "peft", "trl.trainer.grpo_trainer",
)  # fmt: skip
"""What a training run reads of others' code. LanceDB is not among it: it begins a thread, and a fork has one alone. Nor
is the project's own, so that who changes it sees the change in the next run."""
CALM = {
    # the default spin-wait of OpenMP costs a factor of 25 where processes share few cores
    "OMP_WAIT_POLICY": "PASSIVE",
    "TOKENIZERS_PARALLELISM": "false",
}
"""Environment of every worker."""
OURS = ("MEMFACTORY_", "PYTEST_")
"""Variables that no library reads while it loads begin with these: they may differ from worker to worker."""
READY, FORK = b"r", b"f"
IDLE = 1800.0
"""Seconds without a start after which the process ends: it holds some 400 MB."""


class Preloaded:
    """A process that has read, or is reading, `libraries`. It ends where this one does."""

    def __init__(self, libraries: Sequence[str]) -> None:
        self.environment = dict(os.environ) | CALM
        self._talk, theirs = socket.socketpair()
        self._ready = False
        with theirs:
            # -P: the folder of this file holds modules named like those of the standard library
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__, str(theirs.fileno()), *libraries], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()], start_new_session=True, env=self.environment,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether the process exists."""
        return self._process.poll() is None

    def ready(self) -> bool:
        """Whether all libraries are read."""
        if not self._ready:
            with contextlib.suppress(BlockingIOError):
                self._ready = self._talk.recv(1, socket.MSG_DONTWAIT) == READY
        return self._ready

    def suits(self, environment: dict[str, str]) -> bool:
        """Whether a worker of this environment would have read the same libraries in the same way."""
        return _read_by_libraries(environment) == _read_by_libraries(self.environment)

    def start(
        self, program: Sequence[str], work: Sequence[str], folder: Path, environment: dict[str, str], out: int, err: int
    ) -> bool:  # fmt: skip
        """Starts `program` (a supervisor's command line) in `folder`, with a forked child that runs the command
        `work` once the supervisor lets it; `out` and `err` are file descriptors. False where that cannot be."""
        request = {"program": program, "work": work, "folder": str(folder), "env": environment}
        with tempfile.TemporaryFile() as told:
            told.write(json.dumps(request).encode())
            told.flush()
            try:
                socket.send_fds(self._talk, [FORK], [told.fileno(), out, err])
            except OSError:  # it was ended
                return False
        return True

    def end(self) -> None:
        """Ends the process; what it forked goes on."""
        self._talk.close()
        self._process.kill()
        self._process.wait()


_LOCK = threading.Lock()
_CURRENT: list[Preloaded] = []


def preload(libraries: Sequence[str] = LIBRARIES) -> None:
    """Begins to read `libraries` in a process of its own, unless there is one; returns at once. Does nothing where a
    forked worker could not use the device: on a GPU, whose driver outlives no fork, and on other systems than Linux."""
    from memfactory_core.runs.devices import list_gpus

    if sys.platform != "linux" or list_gpus():
        return
    with _LOCK:
        if not (_CURRENT and _CURRENT[0].alive()):
            _CURRENT[:] = [Preloaded(libraries)]


def current(environment: dict[str, str]) -> Preloaded | None:
    """The process to fork a worker of this environment from; None where there is none, or none ready."""
    with _LOCK:
        for one in _CURRENT:
            if one.alive() and one.ready() and one.suits(environment):
                return one
    return None


def waiting() -> bool:
    """Whether a process is still reading the libraries."""
    with _LOCK:
        return any(one.alive() and not one.ready() for one in _CURRENT)


def forget() -> None:
    """Ends the process, where there is one."""
    with _LOCK:
        while _CURRENT:
            _CURRENT.pop().end()


def _read_by_libraries(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(OURS)}


def _serve(talk: socket.socket, libraries: Sequence[str]) -> list[str] | None:
    """Reads `libraries` and forks what is asked for: in a worker, its command line; None where the process that asks
    is gone, or has not asked for long."""
    for name in libraries:
        with contextlib.suppress(ImportError):  # the worker that needs it says so
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a collection in a worker would write into every page that it shares with the others
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits here for the supervisors
    with contextlib.suppress(ConnectionError):  # it is gone already
        talk.send(READY)
    talk.settimeout(IDLE)
    while True:
        try:
            said, fds, _, _ = socket.recv_fds(talk, 1, 3)
        except (
            TimeoutError,
            ConnectionError,
        ):  # reset where it was ended before it took note that all was read
            return None
        if not said:
            return None
        if os.fork() == 0:
            talk.close()
            return _become_supervisor(*fds)
        for fd in fds:
            os.close(fd)


def _become_supervisor(told: int, out: int, err: int) -> list[str]:
    """Forks the worker and becomes its supervisor; returns in the worker alone, with its command line."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    with open(told, "rb") as file:
        file.seek(0)
        request = json.load(file)
    for number, fd in enumerate((os.open(os.devnull, os.O_RDONLY), out, err)):
        os.dup2(fd, number)
        os.close(fd)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["env"])
    opened, opens = os.pipe()
    worker = os.fork()
    if worker:
        os.set_inheritable(opens, True)
        os.execve(
            request["program"][0], [*request["program"], str(worker), str(opens)], request["env"]
        )
    os.close(opens)
    os.setsid()
    os.dup2(2, 1)
    if not os.read(opened, 1):  # the supervisor is gone before it could take note
        os._exit(1)
    os.close(opened)
    return list(request["work"])


def _carry_out(work: list[str]) -> None:
    """What `python -m MODULE ...` would do, in a process that has read others' modules before."""
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()  # else all that are forked would draw the same numbers
    sys.path.insert(0, os.getcwd())
    sys.argv = work
    runpy.run_module(work[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    command = _serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
    if command is not None:
        _carry_out(command)
