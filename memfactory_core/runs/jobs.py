"""Background runs: a run is a row, a folder and a process of its own, which outlives the browser's tab and
the web server. Stopping is a flag file first, then SIGTERM to the process group, then SIGKILL. Every change of
state is one conditional UPDATE: of two that start a run at once, one starts it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
from sqlalchemy import URL, Engine, or_
from sqlmodel import col

from memfactory_core import component
from memfactory_core.config import RunConfig, build
from memfactory_core.errors import ConfigError, RunError
from memfactory_core.models.place import VARIABLE as MODELS
from memfactory_core.models.place import models_folder
from memfactory_core.runs import database
from memfactory_core.runs.lease import Lease, LeaseLost
from memfactory_core.runs.models import used_models
from memfactory_core.runs.place import root
from memfactory_core.runs.tables import ACTIVE, STARTABLE, Run
from memfactory_core.tasks.data_file import unreadable

SILENT_AFTER = 60.0
"""Seconds after which a run that was made and never started is called lost."""
STARTING = 60.0
"""Seconds that a start may take from its claim of the run until the process is known; a machine that is full took
more than eight."""
LOOK_EVERY = 2.0
"""Seconds between two looks for runs without a process, however many pages ask."""
LAST_WORD = "error: "
"""How the last line of a log begins that says why the run ended."""
SAVING = "saving the last step"
"""The phase of a run that was stopped and writes its checkpoint; minutes for a large model."""


def database_url() -> str:
    """The database's URL: $MEMFACTORY_DB, else memfactory.db in the runs' folder."""
    # not put together by hand: a folder's name may hold what has a meaning in a URL
    url = URL.create("sqlite", database=str(root() / "memfactory.db"))
    return os.environ.get("MEMFACTORY_DB", url.render_as_string())


def create(engine: Engine, config: RunConfig) -> Run:
    """A run's row and folder with its run.json; nothing is started. RunError where nothing can be
    written."""
    run_id = time.strftime("%m%d-%H%M%S-") + secrets.token_hex(2)
    folder = root() / run_id
    created = database.now()
    record = {"id": run_id, "created": created, "config": config.dump()}
    try:
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps(record, indent=2))
    except OSError as error:
        raise RunError(
            f"cannot write the run's folder {folder}: {error.strerror}; free space or set MEMFACTORY_RUNS "
            "to a folder that can be written"
        ) from error
    run = Run(
        id=run_id, name=config.name, mode=config.mode, state="queued", folder=str(folder),
        config=json.dumps(record["config"]), created=created, token=secrets.token_hex(8),
        steps={"train": config.training.steps, "rerank": config.reranking.steps}.get(config.mode, 0),
    )  # fmt: skip
    return database.add_run(engine, run)


def start(engine: Engine, run: Run) -> Run:
    """Starts the worker of a run that was never begun or ended early, in a session of its own, its output going to
    log.txt. RunError where the run has a worker, or is being started by another process. ConfigError where a
    data file or a model is not there; the run has then failed."""
    idle = col(Run.state).in_(STARTABLE)
    config = build(run.settings, f"run {run.id}")
    try:
        for name in dict.fromkeys([*config.task.files(), *config.held_out.files()]):
            if not name or not Path(name).is_file():
                raise unreadable(name)
        used_models(config)
    except ConfigError as error:
        failed = {"state": "failed", "reason": str(error), "ended": database.now()}
        database.update_run_if(engine, run.id, idle, **failed)
        raise
    token = secrets.token_hex(8)
    if not database.update_run_if(
        engine, run.id, idle, state="starting", token=token, pid=None, born=None, eta=None,
        seconds=database.worked_before(), started=database.now(), ended=None,
        heartbeat=database.now(), reason="",
    ):  # fmt: skip
        raise _not_startable(engine, run.id)
    # what asked the last worker to stop; a request from now on is in the run's state as well
    (Path(run.folder) / "stop").unlink(missing_ok=True)
    mine = (Run.token == token, col(Run.pid).is_(None))
    try:
        pid = _spawn(run, token)
        born = psutil.Process(pid).create_time()
    except OSError as error:
        reason = f"cannot start a process: {error.strerror or error}"
        database.update_run_if(
            engine, run.id, *mine, state="failed", reason=reason, ended=database.now()
        )
        raise RunError(f"run {run.id}: {reason}") from error
    database.update_run_if(engine, run.id, *mine, pid=pid, born=born)
    return database.get_run(engine, run.id)


def _not_startable(engine: Engine, run_id: str) -> RunError:
    state = database.get_run(engine, run_id).state
    return LeaseLost(
        f"run {run_id} is {state}; only runs that were stopped, failed or lost are resumed"
    )


def _spawn(run: Run, token: str) -> int:
    environment = os.environ | {
        "MEMFACTORY_RUNS": str(root()),
        "MEMFACTORY_DB": database_url(),
        MODELS: str(models_folder()),
        # absolute, since the worker stands in another folder than the shell that named them
        component.FOLDERS: os.pathsep.join(map(str, component.part_folders())),
        # the default spin-wait of OpenMP costs a factor of 25 where processes share few cores
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
    }
    with open(Path(run.folder) / "log.txt", "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "memfactory_core", "work", run.id, "--token", token],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environment,
            cwd=root().parent,
        ).pid  # fmt: skip


def claim(engine: Engine, run_id: str, token: str | None = None) -> Lease:
    """Makes this process the worker of a run: of one that was started for it (`token`), or, without a token, of
    one that has no worker. LeaseLost where another process is or was meant."""
    me = {"pid": os.getpid(), "born": psutil.Process().create_time(), "heartbeat": database.now()}
    if token is None:
        token = secrets.token_hex(8)
        if not database.update_run_if(
            engine, run_id, col(Run.state).in_(STARTABLE), state="running", token=token, reason="",
            seconds=database.worked_before(), started=database.now(), ended=None, **me,
        ):  # fmt: skip
            raise _not_startable(engine, run_id)
        (Path(database.get_run(engine, run_id).folder) / "stop").unlink(missing_ok=True)
        return Lease(run_id=run_id, token=token, pid=me["pid"])
    mine = (Run.token == token, or_(col(Run.pid).is_(None), col(Run.pid) == me["pid"]))
    # a stop that came before this moment is kept: its flag may have been cleared by the start
    if not database.update_run_if(
        engine, run_id, Run.state == "starting", *mine, state="running", **me
    ):
        if not database.update_run_if(engine, run_id, Run.state == "stopping", *mine, **me):
            raise _not_startable(engine, run_id)
        (Path(database.get_run(engine, run_id).folder) / "stop").touch()
    return Lease(run_id=run_id, token=token, pid=me["pid"])


def alive(run: Run) -> bool:
    """Whether the run's own worker process exists: same pid, same create time, not a zombie."""
    if run.pid is None or run.born is None:
        return False
    try:
        process = psutil.Process(run.pid)
        return (
            abs(process.create_time() - run.born) < 1 and process.status() != psutil.STATUS_ZOMBIE
        )
    except psutil.NoSuchProcess:
        return False


def stop(engine: Engine, run_id: str, patience: float = 20.0) -> Run:
    """Stops a run: asks by a flag file, and where it does not end within `patience` seconds, ends its process
    group. A run that is writing its last checkpoint is waited for; one that has ended stays as it is."""
    run = database.get_run(engine, run_id)
    if run.state not in ACTIVE:
        return run
    request_stop(engine, run.id)
    deadline = time.monotonic() + patience
    while alive(run) and (
        time.monotonic() < deadline or database.get_run(engine, run.id).phase == SAVING
    ):
        time.sleep(0.2)
    run = database.get_run(engine, run.id)  # its process may have become known since
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if run.pid is not None and alive(run):
            _signal(run.pid, sign)
            _wait(run, 5.0)
    reap(engine)
    return database.get_run(engine, run.id)


def request_stop(engine: Engine, run_id: str) -> Run:
    """Leaves the flag that asks a run to stop after its current step, and returns at once."""
    run = database.get_run(engine, run_id)
    if database.update_run_if(engine, run.id, col(Run.state).in_(ACTIVE), state="stopping"):
        (Path(run.folder) / "stop").touch()
    return database.get_run(engine, run.id)


def _signal(pid: int, sign: signal.Signals) -> None:
    """To the worker's group, so that what it started ends too; a worker started by hand is in the shell's group,
    which is left alone."""
    with contextlib.suppress(ProcessLookupError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, sign)
        else:
            os.kill(pid, sign)


_looked: dict[str, float] = {}
_LOOKING = threading.Lock()


def look(engine: Engine) -> None:
    """`reap`, at most every LOOK_EVERY seconds: for pages, which call this wherever they read."""
    url = str(engine.url)
    with _LOOKING:
        if time.monotonic() - _looked.get(url, -LOOK_EVERY) < LOOK_EVERY:
            return
        _looked[url] = time.monotonic()
    # a database that is locked now is looked at again in a moment; the page itself can still read
    with contextlib.suppress(database.Busy):
        reap(engine.execution_options(patience=0.0))


def reap(engine: Engine) -> None:
    """Corrects the state of runs whose process is gone without a word: stopped where that was asked for,
    lost otherwise, with what is known of the reason."""
    for child in psutil.Process().children():
        # another thread may reap it between the look and the wait
        with contextlib.suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
            if child.status() == psutil.STATUS_ZOMBIE:
                child.wait(0.1)
    for run in database.active_runs(engine):
        if alive(run):
            continue
        silent = database.now() - (run.heartbeat or run.created)
        if run.pid is None and silent < (SILENT_AFTER if run.state == "queued" else STARTING):
            continue
        asked = run.state == "stopping"
        state, reason = ("stopped", "") if asked else _end(Path(run.folder) / "log.txt")
        # only while it still is what we looked at: it may have ended, or been resumed, meanwhile
        same = (
            Run.state == run.state,
            Run.token == run.token,
            col(Run.pid).is_not_distinct_from(run.pid),
        )
        ended = {"ended": run.heartbeat or database.now(), "eta": None}
        database.update_run_if(engine, run.id, *same, state=state, reason=reason, **ended)


def _end(log: Path) -> tuple[str, str]:
    """State and reason of a worker that ended without a word in the database: its log may have one."""
    lines = log.read_text(errors="replace").strip().splitlines() if log.is_file() else []
    last = lines[-1][:400] if lines else ""
    if last.startswith(LAST_WORD):
        return "failed", last.removeprefix(LAST_WORD)
    hint = "the process ended without a word (killed? out of memory?)"
    return "lost", f"{hint}; last line of the log: {last[:200]}" if last else hint


def _wait(run: Run, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while alive(run) and time.monotonic() < deadline:
        time.sleep(0.1)
