"""How a worker's process ended: what its supervisor saw, and an error that nobody expected, in words."""

from __future__ import annotations

import errno
import fcntl
import json
import shutil
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from memfactory_core.runs.disk import FULL_DISK, SPARE
from memfactory_core.runs.supervisor import ENDING, LOCK
from memfactory_core.types import Record

LAST_WORD = "error: "
"""How the last line of a log begins that says why the run ended."""
LESS_MEMORY = "choose fewer groups, more micro batches or a smaller batch_size, then resume the run"


class Ending(Record):
    """The end of a worker's process. `out_of_memory` is None where the kernel's count cannot be read, `peak_memory` is
    in bytes."""

    token: str
    exit_code: Annotated[int, Field(ge=0, le=255)] | None
    exit_signal: Annotated[str, Field(pattern="^[A-Z0-9]{0,12}$")]
    out_of_memory: bool | None
    peak_memory: Annotated[int, Field(ge=0, lt=2**62)]

    def columns(self) -> dict[str, Any]:
        """The columns of the run's row."""
        kept = self.model_dump(exclude={"token"})
        return kept | {"out_of_memory": bool(self.out_of_memory)}

    def describe(self) -> str:
        """The end in words."""
        used = f"it had used up to {self.peak_memory / 2**30:.1f} GiB"
        if self.out_of_memory:
            return f"memory ran out and the system ended the process ({used}): {LESS_MEMORY}"
        if self.exit_signal == "SIGKILL":
            known = "" if self.out_of_memory is None else "; memory had not run out"
            return f"the process was killed (SIGKILL){known}; {used}"
        if self.exit_signal in ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT"):
            return f"the process crashed ({self.exit_signal}), a fault in a native library; {used}"
        if self.exit_signal:
            return f"the process was ended by {self.exit_signal}"
        return f"the process ended without a word (exit code {self.exit_code})"


def read_ending(folder: Path, token: str) -> Ending | None:
    """What the supervisor wrote of the worker with this token; None where there is nothing."""
    try:
        ending = Ending.model_validate(json.loads((folder / ENDING).read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError, ValidationError):
        return None
    return ending if ending.token == token else None


def is_supervised(folder: Path) -> bool:
    """Whether a supervisor lives that will still write how the worker ended."""
    try:
        with open(folder / LOCK, "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def conclude(folder: Path, ending: Ending | None) -> tuple[str, str]:
    """State and reason of a worker that ended without a word in the database: its log may have one."""
    log = folder / "log.txt"
    lines = log.read_text(errors="replace").strip().splitlines() if log.is_file() else []
    last = lines[-1][:400] if lines else ""
    if last.startswith(LAST_WORD):
        return "failed", last.removeprefix(LAST_WORD)
    unseen = "the process ended without a word (killed? out of memory?)"
    hint = ending.describe() if ending else unseen
    return "lost", f"{hint}; last line of the log: {last[:200]}" if last else hint


def cause_in_words(error: BaseException, folder: Path) -> str:
    """What an unexpected error says, in one line. A full disk and a memory that ran out show themselves in many
    errors of the libraries, not all of which name it."""
    full = isinstance(error, Exception) and shutil.disk_usage(folder).free < SPARE
    if full or FULL_DISK in str(error):
        return f"the disk of {folder} is full: free space, then resume the run"
    said = f"{type(error).__name__}: {error}"
    if is_out_of_memory(error):
        first = str(error).strip().partition("\n")[0][:200]
        return f"memory ran out ({first or 'MemoryError'}): {LESS_MEMORY}"
    return said


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: Python's, torch's on the CPU or a GPU's. torch is not loaded to find out."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & {"MemoryError", "OutOfMemoryError", "AcceleratorError"}:
        return "AcceleratorError" not in kinds or "out of memory" in str(error)
    words = ("not enough memory", "can't allocate memory", "cuda out of memory", "std::bad_alloc")
    number = getattr(error, "errno", None)
    return number == errno.ENOMEM or (
        isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
    )
