"""Processes of their own in a moment: each is forked from one that has read the libraries, so that a test of the
command line does not wait for their import. What runs in it is what `python -m ...` and `python -c ...` run; only
the interpreter's start is left out, which `tests/app/test_access_rules.py` and every worker of a run go through."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import threading
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[1]
PATIENCE = 240.0
_FORKS = multiprocessing.get_context("forkserver")
_STARTING = threading.Lock()
_FORKS.set_forkserver_preload(["memfactory_core.cli.main", "memfactory_core.runs.worker"])


def python(
    *arguments: str, cwd: Path | None = None, **environment: Any
) -> subprocess.CompletedProcess[str]:
    """What `python ARGUMENTS` says and how it ends: "-m" and a module or "-c" and a program, then its own arguments.
    The environment is this process's with the given variables on top."""
    own = {name: str(value) for name, value in environment.items()}
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / name) for name in ("stdout", "stderr")]
        with _STARTING:
            process = _start(arguments, str(cwd or ROOT), {**os.environ, **own}, files)
        process.join(PATIENCE)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(arguments, PATIENCE)
        said, complained = (Path(file).read_text() for file in files)
    return subprocess.CompletedProcess(arguments, process.exitcode, said, complained)


def memfactory(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """The command line with these words; `cwd` and variables as `python` takes them."""
    return python("-m", "memfactory_core", *arguments, **more)


def _start(*what: Any) -> BaseProcess:
    # the first start makes the process that all are forked from: what it reads must not be one test's settings
    settings = {name: os.environ.pop(name) for name in [*os.environ] if "MEMFACTORY" in name}
    # a page's test leaves its script as the main module, which a new process would run
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        process = _FORKS.Process(target=_become, args=what)
        process.start()
    finally:
        sys.modules["__main__"] = main
        os.environ.update(settings)
    return process


def _become(arguments: tuple[str, ...], cwd: str, place: dict[str, str], files: list[str]) -> None:
    for number, name in enumerate(files, 1):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(place)
    os.chdir(cwd)
    sys.path[:0] = [cwd, *filter(None, place.get("PYTHONPATH", "").split(os.pathsep))]
    how, what, *rest = arguments
    sys.argv = [how, *rest]
    if how == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(compile(what, "<program>", "exec"), {"__name__": "__main__"})
