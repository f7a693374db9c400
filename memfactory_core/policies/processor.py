"""What the processor does by itself, and how much of it is taken."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # as <malloc.h> of glibc numbers them


def computes_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 by itself; elsewhere it is slower than float32."""
    import torch

    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def use_threads(wanted: int) -> None:
    """Lets torch compute with so many threads; 0 with as many as cores are free now, never more than it has. Two
    threads on a busy machine of two cores were slower than one."""
    import psutil
    import torch

    most = _most_threads()
    if not wanted and "OMP_NUM_THREADS" not in os.environ:
        loads = psutil.cpu_percent(interval=0.2, percpu=True)
        mine = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(len(loads))
        busy = round(sum(loads[core] for core in mine if core < len(loads)) / 100)
        wanted = min(most, max(1, len(mine) - busy))
    if wanted:
        torch.set_num_threads(wanted)


@cache
def _most_threads() -> int:
    """What torch had before anybody set it: a number that was set at a busy moment is not the most for ever."""
    import torch

    return torch.get_num_threads()


def keep_freed_memory() -> None:
    """Lets the process keep up to 2 GiB that it has freed, where its C library can (glibc): a training step frees and
    takes the same blocks over and over, and taking each anew from the system cost a tenth of its time."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if set_option:
        set_option(_MMAP_THRESHOLD, 32 * 2**20)  # the most that it takes
        set_option(_TRIM_THRESHOLD, 2**31 - 1)


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """While this lasts, Python looks for unreachable cycles a hundred times more seldom, and never through what is
    there already: a training step makes some hundred thousand objects that go by themselves, and looking through
    all of them took a tenth of it."""
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    gc.freeze()
    gc.set_threshold(100 * before[0], *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        if not frozen:  # else somebody else's would be let go too
            gc.unfreeze()
