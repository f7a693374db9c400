"""What ends a worker before its work is done: the flag that asks it to stop, and SIGTERM."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(Exception):
    """The user asked the run to stop."""


class Terminated(BaseException):
    """SIGTERM came: there is no time to write a checkpoint, only to say so. No library that catches errors may hold
    it up."""


@contextmanager
def terminable() -> Iterator[None]:
    """Within it, SIGTERM raises Terminated, once; what comes after it has to end by itself or by SIGKILL."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_: int, __: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated("its process was asked to end (SIGTERM)")

    former = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except Terminated:
        raise
    except BaseException:
        signal.signal(signal.SIGTERM, former)
        raise
    else:
        signal.signal(signal.SIGTERM, former)
