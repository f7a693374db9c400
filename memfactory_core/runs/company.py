"""Training by several processes: the run's worker is the first, which alone writes; the others learn beside it.

They are children of the worker and live for its training only, so that a run has one worker, one lease and one
supervisor however many train. Each plays whole groups of a step's attempts, and all go the same step: the gradients
are averaged by torch.distributed (gloo on processors, NCCL on GPUs of one machine). They find one another by a file
that only this user can read: the usual meeting place is a port without a password, on every address of the machine."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from memfactory_core.errors import MemFactoryError, RunError

if TYPE_CHECKING:
    from memfactory_core.runs.worker import Work

READY = 600.0
"""Seconds that another process may take to load its policy."""
LAST = 60.0
"""Seconds that another process may take to end after the last step."""
SHIFT = 1_000_003
"""Between the seeds by which the processes of a run sample."""
NOTICED = 2.0
"""Seconds after an error within which another process may turn out to have ended: its connections break first."""
DIE_WITH_PARENT = 1
"""Linux' PR_SET_PDEATHSIG: a worker that is killed leaves nobody behind."""


@dataclass
class Other:
    """One of the other processes, and the end of a pipe on which it says that it is ready."""

    rank: int
    process: subprocess.Popen[bytes]
    ready: int

    def await_ready(self, work: Work) -> None:
        """Waits until it has its policy. RunError where it ends before or takes too long; Stopped where asked."""
        deadline = time.monotonic() + READY
        while not select.select([self.ready], [], [], 1.0)[0]:
            work.check_stop()
            if time.monotonic() > deadline:
                raise RunError(f"{self} was not ready after {READY:.0f} s")
        if not os.read(self.ready, 1):
            self.process.wait()
            raise RunError(
                f"{self} ended with {self.process.returncode} before it began: see above"
            )

    def __str__(self) -> str:
        return f"process {self.rank} of training.processes"


@contextmanager
def company(work: Work, weights: Path | None, resumed: Path | None) -> Iterator[None]:
    """While this lasts, the other processes train what starts from `weights` or goes on from the checkpoint `resumed`,
    and torch.distributed takes this process for the first of them. RunError where one of them fails."""
    count = work.config.training.processes
    if count == 1:
        yield
        return
    private = tempfile.TemporaryDirectory(prefix="memfactory-company-", ignore_cleanup_errors=True)
    meeting = Path(private.name, "meeting")
    place = {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
    if sys.platform == "linux":  # what they tell one another stays on this machine
        place |= {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
    others: list[Other] = []
    before = dict(os.environ)
    threads = _share_threads(count)
    try:
        for rank in range(1, count):
            others.append(_start(work, rank, place, meeting, weights, resumed))
        for other in others:
            other.await_ready(work)
        os.environ.update(place | {"RANK": "0", "LOCAL_RANK": "0"})
        _forget_state()
        meet(meeting, 0, count)
        yield
        for other in others:
            try:
                if code := other.process.wait(LAST):
                    work.say(f"{other} ended with {code} after the last step")
            except subprocess.TimeoutExpired:
                work.say(f"{other} did not end after the last step; it is ended")
    except MemFactoryError:
        raise
    except Exception as error:
        if ended := _who_ended(others):
            raise RunError(
                f"{ended} ended with {ended.process.returncode}: the log says why"
            ) from error
        raise
    finally:
        for other in others:
            other.process.kill()
            other.process.wait()
            os.close(other.ready)
        _leave()
        private.cleanup()
        os.environ.clear()
        os.environ.update(before)
        _use_threads(threads)


def _who_ended(others: list[Other]) -> Other | None:
    """The process that ended badly, or does so soon; None where all go on."""
    deadline = time.monotonic() + NOTICED
    while True:
        for other in others:
            if other.process.poll():
                return other
        if time.monotonic() > deadline:
            return None
        time.sleep(0.05)


def _start(
    work: Work, rank: int, place: dict[str, str], meeting: Path, *starts: Path | None
) -> Other:
    ready, said = os.pipe()
    told = [work.run.id, str(said), str(meeting), *(str(start or "") for start in starts)]
    command = [sys.executable, "-m", __name__, *told]
    own = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    process = subprocess.Popen(command, env=os.environ | place | own, pass_fds=[said])
    os.close(said)
    return Other(rank, process, ready)


def meet(meeting: Path, rank: int, count: int) -> None:
    """Waits until all `count` processes have come to the file `meeting`; from then on they average their gradients."""
    import torch

    accelerated = torch.cuda.is_available()
    if accelerated:
        torch.cuda.set_device(rank)
    torch.distributed.init_process_group(
        "nccl" if accelerated else "gloo", meeting.as_uri(), rank=rank, world_size=count
    )


def join(run_id: str, said: int, meeting: Path, weights: Path | None, resumed: Path | None) -> None:
    """Trains beside the worker of a run, in a process of its own, and writes nothing but its part of checkpoints."""
    import torch

    from memfactory_core.config import build
    from memfactory_core.runs import database, jobs, reinforcing
    from memfactory_core.runs.weights import role_weights
    from memfactory_core.scoring.split import training_examples

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    engine = database.connect(jobs.database_url())
    run = database.get_run(engine, run_id)
    config, folder = build(run.settings, f"run {run.id}"), Path(run.folder)
    if torch.cuda.is_available():
        torch.cuda.set_device(rank)
    sampler = config.load_policies(weights, role_weights(engine, config, folder))
    _share_threads(count)
    examples = training_examples(config)
    os.write(said, b"1")
    os.close(said)
    meet(meeting, rank, count)
    trainer = reinforcing.make_trainer(config, sampler, examples, folder)
    reinforcing.seed(trainer, sampler, config.seed + SHIFT * rank, resumed)
    trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    # Not by returning: taking the trainer apart joins a thread of gloo that may wait for Python, for ever
    sys.stdout.flush()
    os._exit(0)


def _share_threads(count: int) -> int:
    """Leaves each process its share of the processors; returns how many threads there were."""
    import torch

    before = torch.get_num_threads()
    _use_threads(max(1, before // count))
    return before


def _use_threads(count: int) -> None:
    import torch

    torch.set_num_threads(count)


def _forget_state() -> None:
    """Accelerate asks once for a process what company it has; imitation may have asked before."""
    from accelerate.state import AcceleratorState, GradientState

    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


def _leave() -> None:
    import torch.distributed as group

    if group.is_initialized():
        group.destroy_process_group()
    _forget_state()


if __name__ == "__main__":
    run, pipe, place, *starts = sys.argv[1:]
    join(run, int(pipe), Path(place), *(Path(path) if path else None for path in starts))
