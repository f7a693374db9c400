"""The devices that runs take turns on: which there are here, how many runs each takes at once, which a run needs.

Nothing here loads torch: pages and commands ask."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from memfactory_core.config import RunConfig
from memfactory_core.errors import RunError

SLOTS = "MEMFACTORY_SLOTS"
"""The environment variable that says how many runs a device takes at once: "cpu=4,cuda:0=2"."""
SEEN = "CUDA_VISIBLE_DEVICES"
_ON_THE_CPU = ("api", "scripted", "tiny")
"""Policies that use no GPU where they are not trained."""


def count_slots() -> dict[str, int]:
    """How many runs each device takes at once. By default one for each GPU; for the CPU half its cores, two at
    least where there are two cores, eight at most. RunError where MEMFACTORY_SLOTS is not of its form."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = cores or 1
    slots = {"cpu": min(8, max(cores // 2, min(cores, 2)))}
    slots |= {f"cuda:{number}": 1 for number in range(len(list_gpus()))}
    for entry in filter(None, (part.strip() for part in os.environ.get(SLOTS, "").split(","))):
        device, _, count = entry.partition("=")
        if not (count.isdecimal() and count.isascii() and 1 <= int(count[:6]) and len(count) <= 6):
            raise RunError(
                f"{SLOTS} wants device=count with a count from 1, as in cpu=4,cuda:0=2; got {entry[:80]!r}"
            )
        slots[device.strip()] = int(count)
    return slots


def list_gpus() -> list[str]:
    """The GPUs that a process started here would see, as CUDA_VISIBLE_DEVICES names them; none for a torch that knows
    no CUDA."""
    try:
        if version("torch").endswith("+cpu"):
            return []
    except PackageNotFoundError:
        return []
    there = sorted(Path("/dev").glob("nvidia[0-9]*"))
    if SEEN not in os.environ:
        return [str(number) for number in range(len(there))]
    named = [name.strip() for name in os.environ[SEEN].split(",")]
    # as CUDA does: the list ends at the first that is none
    end = next((at for at, name in enumerate(named) if name in ("", "-1")), len(named))
    return named[:end] if there else []


def needed_device(config: RunConfig) -> str:
    """ "cuda" for a run that uses a GPU where there is one, else "cpu"."""
    there = any(device.startswith("cuda") for device in count_slots())
    uses = config.mode in ("train", "imitate") or (
        config.mode == "evaluate" and loads_models(config)
    )
    return "cuda" if there and uses else "cpu"


def loads_models(config: RunConfig) -> bool:
    """Whether a policy of it goes to the GPU where there is one, also where nothing is trained."""
    policies = [config.policy, *(role for role in config.roles.values() if role != "start")]
    return any(policy.kind not in _ON_THE_CPU for policy in policies)


def environment_of(device: str) -> dict[str, str]:
    """What a process finds in its environment so that it uses this device and no other GPU."""
    kind, _, number = device.partition(":")
    gpus = list_gpus()
    if kind != "cuda" or not number.isdecimal() or int(number) >= len(gpus):
        return {}
    return {SEEN: gpus[int(number)]}
