"""The small parent of a worker: starts it, waits for it, ends it where a stop is not obeyed, writes down how it ended.

A program of its own (`python -I -S supervisor.py FOLDER RUN TOKEN`) that loads the standard library alone: it waits as
long as a run takes, and a run has one. It decides nothing: where it is killed, the worker goes on and its lease still
tells who works. Once the worker is gone it becomes `memfactory settle RUN`, which reads what it wrote."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

ENDING, LOCK, FLAG = "ending.json", "supervisor.lock", "stop"
SAVING = "saving"
"""What a worker writes into the flag that asks it to stop once it has seen it and writes its checkpoint."""
GRACE = 30.0
"""Seconds that a run has to end after its current step, where the flag names no other time."""
GRACE_OF_SIGTERM = 10.0
LOOK_EVERY = 0.2
COUNT_EVERY = 5.0
"""Seconds between two looks at the kernel's count of processes that it ended because memory ran out."""
_ADOPT_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER of Linux


def command(run_id: str, token: str) -> list[str]:
    """The command line of a run's worker."""
    return [sys.executable, "-m", "memfactory_core", "work", run_id, "--token", token]


def supervise(folder: Path, run_id: str, token: str, forked: tuple[int, int] | None = None) -> None:
    """Carries out a run in a child process: a new one, or the child (its pid, and the descriptor that lets it begin)
    that was forked before. Its pid is the one line on stdout; the child's own output and what is to be said of it go
    to stderr."""
    if hasattr(ctypes.CDLL(None), "prctl"):
        # what the worker starts and leaves behind comes to this process, which ends it with the worker
        ctypes.CDLL(None).prctl(_ADOPT_ORPHANS, 1, 0, 0, 0)
    with open(folder / LOCK, "ab") as lock:
        _take(lock)  # before anybody can know of the worker and miss a supervisor
        pid = _let_begin(*forked) if forked else _begin(command(run_id, token))
        print(pid, flush=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        before, status, used = _wait_for(pid, folder, lock)
        ran_out = _count_out_of_memory()
        _signal_group(pid, signal.SIGKILL)
        _end_orphans()
        sign = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        counted = None not in (before, ran_out)
        ending = {
            "token": token,
            "exit_code": None if sign else os.WEXITSTATUS(status),
            "exit_signal": signal.Signals(sign).name if sign in set(signal.Signals) else "",
            "out_of_memory": sign == signal.SIGKILL and ran_out != before if counted else None,
            "peak_memory": used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        }
        part = folder / f"{ENDING}.{os.getpid()}.part"
        with suppress(OSError):  # the folder may be gone, or its disk full
            part.write_text(json.dumps(ending))
            part.replace(folder / ENDING)
    if folder.is_dir():
        os.execv(sys.executable, [sys.executable, "-m", "memfactory_core", "settle", run_id])


def _begin(work: list[str]) -> int:
    return subprocess.Popen(
        work, stdin=subprocess.DEVNULL, stdout=2, stderr=2, start_new_session=True
    ).pid


def _let_begin(pid: int, opens: int) -> int:
    """A forked worker waits until its supervisor is one. Its pid."""
    with suppress(BrokenPipeError):  # it was killed meanwhile, as any child can be
        os.write(opens, b"1")
    os.close(opens)
    return pid


def _wait_for(
    worker: int, folder: Path, lock: IO[bytes]
) -> tuple[int | None, int, resource.struct_rusage]:
    """Waits until the worker has ended, and sees to it that it does where it was asked to. How many processes had
    been ended for want of memory a few seconds before; how it ended and what it used."""
    counts = [_count_out_of_memory()] * 2
    counted = time.monotonic()
    asked, signs, held = 0.0, 0, False
    while True:
        held = held or _take(lock)
        pid, status, used = os.wait4(-1, os.WNOHANG)
        if pid == worker:
            return counts[0], status, used
        if pid:  # of what the worker had started and left
            continue
        now = time.monotonic()
        if now - counted > COUNT_EVERY:
            counts, counted = [counts[1], _count_out_of_memory()], now
        flag = _read_flag(folder)
        if flag is None or flag == SAVING:
            asked, signs = 0.0, 0
        else:
            asked = asked or now
            if signs < 2 and now - asked > _seconds(flag) + signs * GRACE_OF_SIGTERM:
                sign = (signal.SIGTERM, signal.SIGKILL)[signs]
                print(f"not stopped after {now - asked:.0f} s: {sign.name}", file=sys.stderr)
                _signal_group(worker, sign)
                signs += 1
        time.sleep(LOOK_EVERY)


def _take(lock: IO[bytes]) -> bool:
    """The lock says that a supervisor lives; the one of an earlier stretch of work may still hold it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _read_flag(folder: Path) -> str | None:
    try:
        return (folder / FLAG).read_text(errors="replace").strip()
    except OSError:
        return None


def _seconds(flag: str) -> float:
    try:
        return max(0.0, float(flag))
    except ValueError:
        return GRACE


def _signal_group(pid: int, sign: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, sign)


def _end_orphans() -> None:
    """Ends what the worker started and left: with the worker gone these are children of this process."""
    with suppress(ChildProcessError):
        while True:
            for pid in _children():
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            # raises where there is no child any more
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.01)


def _children() -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            # the name, in parentheses, may hold anything; the parent is the second field after it
            fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[1]) == os.getpid():
                found.append(int(entry.name))
    return found


def _count_out_of_memory() -> int | None:
    """How many processes of this one's control group, else of this machine, the kernel has ended because memory ran
    out; None where neither can be read."""
    for path in (*_memory_events(), Path("/proc/vmstat")):
        with suppress(OSError, ValueError):
            for line in path.read_text().splitlines():
                name, _, count = line.partition(" ")
                if name == "oom_kill":
                    return int(count)
    return None


def _memory_events() -> list[Path]:
    """Where control groups of version 2 and 1 count, for this process's own group."""
    found = []
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if not controllers:
                found.append(Path(f"/sys/fs/cgroup{group}") / "memory.events")
            elif "memory" in controllers.split(","):
                # a container sees its own group as the root
                found += [
                    Path(f"/sys/fs/cgroup/memory{at}/memory.oom_control") for at in (group, "")
                ]
    return found


if __name__ == "__main__":
    begun = (int(sys.argv[4]), int(sys.argv[5])) if len(sys.argv) > 4 else None
    supervise(Path(sys.argv[1]), sys.argv[2], sys.argv[3], begun)
