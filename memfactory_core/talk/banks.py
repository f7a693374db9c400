"""Named banks: they last over talks and restarts, as tables of one LanceDB folder, and have one writer at a time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from memfactory_core.errors import ConfigError
from memfactory_core.stores.lance import Lance, LanceBank
from memfactory_core.types import Memory

BANKS = "banks"
"""The folder of the named banks, beside the runs."""
COUNTER = "_next_id"
"""How the tables end in which LanceDB banks note their next id."""
_NAME = re.compile(r"[A-Za-z0-9_]{1,60}")


class KeptBank:
    """A named bank that is open: nobody else writes to it until it is closed."""

    def __init__(self, name: str, bank: LanceBank, lock: FileLock) -> None:
        self.name = name
        self._bank = bank
        self._lock = lock

    @property
    def memories(self) -> list[Memory]:
        """What it holds."""
        return self._bank.all()

    @property
    def next_id(self) -> int:
        """The id of the next new memory; none is used twice."""
        return self._bank.next_id

    def write(self, memories: Sequence[Memory]) -> None:
        """Makes it hold exactly these memories."""
        self._bank.hold(memories, self._bank.next_id)

    def close(self) -> None:
        """Lets others open it."""
        self._bank.close()
        self._lock.release()


def as_name(typed: str) -> str:
    """What somebody typed as a bank's name: spaces and hyphens between words become underscores."""
    return "_".join(re.findall(r"[^\s-]+", typed))


def open_bank(folder: Path, name: str) -> KeptBank:
    """The bank of a name as somebody types it, an empty one where there is none yet; `folder` is the runs' folder.
    ConfigError where the name cannot be one, or where the bank is open already."""
    name = as_name(name)
    if not _NAME.fullmatch(name) or name.endswith(COUNTER):
        raise ConfigError(
            f"{name[:60]!r} cannot be the name of a bank: take up to 60 letters of a to z, digits "
            "and underscores"
        )
    place = folder / BANKS
    place.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ConfigError(
            f"the bank {name!r} is open in another talk or process: close it there first"
        ) from error
    try:
        return KeptBank(name, Lance(uri=str(place), table=name).open(), lock)
    except BaseException:
        lock.release()
        raise


def list_banks(folder: Path) -> list[str]:
    """The names of the banks that are there."""
    place = folder / BANKS
    if not place.is_dir():
        return []
    found = [path.stem for path in place.glob("*.lance")]
    return sorted(name for name in found if not name.endswith(COUNTER))
