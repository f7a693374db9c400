"""Background runs: a run is a row, a folder and a process of its own, which outlives the browser's tab and
the web server. Stopping is a flag file first, then SIGTERM to the process group, then SIGKILL."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
from sqlalchemy import Engine
from sqlmodel import Session

from memfactory_core import component
from memfactory_core.config import RunConfig, build
from memfactory_core.errors import RunError
from memfactory_core.runs import database
from memfactory_core.runs.place import root
from memfactory_core.runs.tables import ACTIVE, Run
from memfactory_core.tasks.data_file import unreadable

SILENT_AFTER = 60.0
"""Seconds without a heartbeat after which a run without a process is called lost."""


SAVING = "saving the last step"
"""The phase of a run that was stopped and writes its checkpoint; minutes for a large model."""


def database_url() -> str:
    """The database's URL: $MEMFACTORY_DB, else memfactory.db in the runs' folder."""
    return os.environ.get("MEMFACTORY_DB", f"sqlite:///{root() / 'memfactory.db'}")


def create(engine: Engine, config: RunConfig) -> Run:
    """A run's row and folder with its run.json; nothing is started. RunError where nothing can be
    written."""
    run_id = time.strftime("%m%d-%H%M%S-") + secrets.token_hex(2)
    folder = root() / run_id
    record = {"id": run_id, "created": database.now(), "config": config.dump()}
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
        config=json.dumps(record["config"]), created=record["created"], token=secrets.token_hex(8),
        steps={"train": config.training.steps, "rerank": config.reranking.steps}.get(config.mode, 0),
    )  # fmt: skip
    with Session(engine, expire_on_commit=False) as session:
        session.add(run)
        session.commit()
    return run


def start(engine: Engine, run: Run) -> Run:
    """Starts the run's worker in a session of its own, its output going to log.txt. ConfigError where a data
    file is not there; the run has then failed."""
    config = build(run.settings, f"run {run.id}")
    for name in dict.fromkeys([*config.task.files(), *config.held_out.files()]):
        if not name or not Path(name).is_file():
            error = unreadable(name)
            database.update_run(
                engine, run.id, state="failed", reason=str(error), ended=database.now()
            )
            raise error
    environment = os.environ | {
        "MEMFACTORY_RUNS": str(root()),
        "MEMFACTORY_DB": database_url(),
        # absolute, since the worker stands in another folder than the shell that named them
        component.FOLDERS: os.pathsep.join(map(str, component.part_folders())),
        # the default spin-wait of OpenMP costs a factor of 25 where processes share few cores
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
    }
    with open(Path(run.folder) / "log.txt", "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "memfactory_core", "work", run.id],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environment,
            cwd=root().parent,
        )  # fmt: skip
    born = psutil.Process(process.pid).create_time()
    return database.update_run(
        engine, run.id, state="starting", pid=process.pid, born=born, started=database.now(), ended=None,
        heartbeat=database.now(), reason="",
    )  # fmt: skip


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
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if alive(run):
            os.killpg(run.pid, sign)
            _wait(run, 5.0)
    reap(engine)
    return database.get_run(engine, run.id)


def request_stop(engine: Engine, run_id: str) -> Run:
    """Leaves the flag that asks a run to stop after its current step, and returns at once."""
    run = database.get_run(engine, run_id)
    if run.state not in ACTIVE:
        return run
    (Path(run.folder) / "stop").touch()
    return database.update_run(engine, run.id, state="stopping")


def reap(engine: Engine) -> None:
    """Corrects the state of runs whose process is gone without a word: stopped where that was asked for,
    lost otherwise, with what is known of the reason."""
    for child in psutil.Process().children():
        # another thread may reap it between the look and the wait
        with contextlib.suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
            if child.status() == psutil.STATUS_ZOMBIE:
                child.wait(0.1)
    for run in database.list_runs(engine):
        if run.state not in ACTIVE or alive(run):
            continue
        if run.state == "queued" and database.now() - run.created < SILENT_AFTER:
            continue
        run = database.get_run(engine, run.id)  # it may have ended while we looked
        if run.state not in ACTIVE:
            continue
        asked = run.state == "stopping"
        reason = "" if asked else _last_words(Path(run.folder) / "log.txt")
        state = "stopped" if asked else "lost"
        database.update_run(
            engine, run.id, state=state, reason=reason, ended=run.heartbeat or database.now()
        )


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    hint = "the process ended without a word (killed? out of memory?)"
    return f"{hint}; last line of the log: {lines[-1][:200]}" if lines else hint


def _wait(run: Run, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while alive(run) and time.monotonic() < deadline:
        time.sleep(0.1)
