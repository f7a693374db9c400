"""Background runs: a run is a row, a folder and a process of its own, which outlives the browser's tab and
the web server. Runs wait in a queue for their device. Stopping is a flag file first, then SIGTERM to the process
group, then SIGKILL. Every change of state is conditional: of two that start a run at once, one starts it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import threading
import time
from pathlib import Path

import psutil
from sqlalchemy import URL, Engine, func, or_
from sqlmodel import col

from memfactory_core.config import RunConfig, build
from memfactory_core.errors import ConfigError, RunError
from memfactory_core.models.place import VARIABLE as MODELS
from memfactory_core.models.place import models_folder
from memfactory_core.runs import database, process, queue
from memfactory_core.runs.checks import refuse_start, require_files
from memfactory_core.runs.devices import needed_device
from memfactory_core.runs.ending import conclude, is_supervised, read_ending
from memfactory_core.runs.lease import Lease, LeaseLost
from memfactory_core.runs.models import used_models
from memfactory_core.runs.place import root
from memfactory_core.runs.process import STARTING, alive
from memfactory_core.runs.supervisor import FLAG, GRACE, GRACE_OF_SIGTERM
from memfactory_core.runs.supervisor import SAVING as SAVING_FLAG
from memfactory_core.runs.tables import ACTIVE, STARTABLE, WORKING, Run

SILENT_AFTER = 60.0
"""Seconds after which a run that was made and never started is called lost."""
SUPERVISED_FOR = 6.0
"""Seconds after a worker's last sign of life in which its supervisor is left to say how it ended."""
LOOK_EVERY = 2.0
"""Seconds between two looks for runs without a process, however many pages ask."""
SAVING = "saving the last step"
"""The phase of a run that was stopped and writes its checkpoint; minutes for a large model."""
_FREE = (col(Run.state).in_(STARTABLE), col(Run.turn).is_(None))
"""A run that no worker has and that waits for none."""


def database_url() -> str:
    """The database's URL: $MEMFACTORY_DB, else memfactory.db in the runs' folder."""
    # not put together by hand: a folder's name may hold what has a meaning in a URL
    url = URL.create("sqlite", database=str(root() / "memfactory.db"))
    return os.environ.get("MEMFACTORY_DB", url.render_as_string())


def create(engine: Engine, config: RunConfig, sweep: str = "", cell: str = "") -> Run:
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
        steps=_count_steps(config), sweep=sweep, cell=cell,
    )  # fmt: skip
    return database.add_run(engine, run)


def _count_steps(config: RunConfig) -> int:
    counts = {
        "train": config.training.steps, "imitate": config.imitation.steps, "rerank": config.reranking.steps,
    }  # fmt: skip
    return counts.get(config.mode, 0)


def begin(engine: Engine, config: RunConfig, sweep: str = "", cell: str = "") -> Run:
    """A new run with this configuration, started, as the `cell` of a `sweep` where it is one. ConfigError or RunError
    where something that it needs is not here; no run is left then."""
    refuse_start(engine, config)
    return start(engine, create(engine, config, sweep, cell))


def start(engine: Engine, run: Run) -> Run:
    """Puts a run that was never begun or ended early into the queue for its device; its worker starts at once where
    the device is free. RunError where the run has a worker, or waits for one already. ConfigError where a
    data file or a model is not there; the run has then failed."""
    config = build(run.settings, f"run {run.id}")
    try:
        require_files(config)
        used_models(config)
    except ConfigError as error:
        failed = {"state": "failed", "reason": str(error), "ended": database.now()}
        database.update_run_if(engine, run.id, *_FREE, **failed)
        raise
    if not queue.enqueue(engine, run.id, needed_device(config), *_FREE):
        raise _not_startable(engine, run.id)
    start_waiting(engine)
    started = _await_process(engine, run.id)
    if started.state == "failed" and started.reason.startswith(_NO_PROCESS):
        raise RunError(f"run {run.id}: {started.reason}")
    return started


def _await_process(engine: Engine, run_id: str) -> Run:
    """A run that another process took from the queue first is given the moment in which its worker gets its pid."""
    deadline = time.monotonic() + STARTING
    while (run := database.get_run(engine, run_id)).state == "starting" and run.pid is None:
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return run


_NO_PROCESS = "cannot start a process: "


def start_waiting(engine: Engine) -> None:
    """Starts the workers of the runs in the queue whose device is free, in their order."""
    while run_id := queue.take_next(engine):
        run = database.get_run(engine, run_id)
        # what asked the last worker to stop; a request from now on is in the run's state as well
        (Path(run.folder) / FLAG).unlink(missing_ok=True)
        mine = (Run.token == run.token, col(Run.pid).is_(None))
        place = {"MEMFACTORY_RUNS": str(root()), "MEMFACTORY_DB": database_url()}
        place |= {MODELS: str(models_folder())}
        try:
            pid, born = process.spawn(run, place)
        except OSError as error:
            failed = {"state": "failed", "reason": f"{_NO_PROCESS}{error.strerror or error}"}
            database.update_run_if(engine, run.id, *mine, ended=database.now(), **failed)
            continue
        database.update_run_if(engine, run.id, *mine, pid=pid, born=born)


def _not_startable(engine: Engine, run_id: str) -> RunError:
    run = database.get_run(engine, run_id)
    if run.turn is not None:
        return LeaseLost(f"run {run_id} is queued already: {queue.describe_wait(engine, run)}")
    return LeaseLost(
        f"run {run_id} is {run.state}; only runs that were stopped, failed or lost are resumed"
    )


def claim(engine: Engine, run_id: str, token: str | None = None) -> Lease:
    """Makes this process the worker of a run: of one that was started for it (`token`), or, without a token, of
    one that has no worker, whether or not its device is free. LeaseLost where another process is or was meant."""
    me = {"pid": os.getpid(), "born": psutil.Process().create_time(), "heartbeat": database.now()}
    if token is None:
        token = secrets.token_hex(8)
        device = needed_device(build(database.get_run(engine, run_id).settings, f"run {run_id}"))
        if not database.update_run_if(
            engine, run_id, col(Run.state).in_(STARTABLE), state="running", token=token, reason="",
            seconds=database.worked_before(), started=database.now(), ended=None, turn=None,
            device="cuda:0" if device == "cuda" else device, **me,
        ):  # fmt: skip
            raise _not_startable(engine, run_id)
        (Path(database.get_run(engine, run_id).folder) / FLAG).unlink(missing_ok=True)
        return Lease(run_id=run_id, token=token, pid=me["pid"])
    mine = (Run.token == token, or_(col(Run.pid).is_(None), col(Run.pid) == me["pid"]))
    # a stop that came before this moment is kept: its flag may have been cleared by the start
    if not database.update_run_if(
        engine, run_id, Run.state == "starting", *mine, state="running", **me
    ):
        if not database.update_run_if(engine, run_id, Run.state == "stopping", *mine, **me):
            raise _not_startable(engine, run_id)
        (Path(database.get_run(engine, run_id).folder) / FLAG).touch()
    return Lease(run_id=run_id, token=token, pid=me["pid"])


def stop(engine: Engine, run_id: str, patience: float | None = None) -> Run:
    """Stops a run: takes it out of the queue, or asks it by a flag file, and where it does not end within `patience`
    seconds (None: see `patience_with`), ends its process and all that this started. A run that is writing its last
    checkpoint is waited for; one that has ended stays as it is."""
    run = database.get_run(engine, run_id)
    if run.state not in ACTIVE:
        return run
    patience = patience_with(run) if patience is None else patience
    run = request_stop(engine, run.id, patience)
    deadline = time.monotonic() + patience
    while alive(run) and (
        time.monotonic() < deadline or database.get_run(engine, run.id).phase == SAVING
    ):
        time.sleep(0.1)
        run = database.get_run(engine, run.id)  # its process may have become known since
    process.end(run, GRACE_OF_SIGTERM)
    _await_supervisor(run)
    reap(engine)
    return database.get_run(engine, run.id)


def patience_with(run: Run) -> float:
    """Seconds that a run is given to end by itself: GRACE, or three of its steps where these are slow."""
    left = run.steps - run.step
    if not run.eta or left <= 0 or not run.step:
        return GRACE
    # what is left holds the last evaluation too, which is no step
    pace = min(run.eta / left, run.elapsed(database.now()) / run.step)
    return max(GRACE, 3 * pace)


def request_stop(engine: Engine, run_id: str, patience: float | None = None) -> Run:
    """Takes a run out of the queue, or leaves the flag that asks it to stop after its current step; returns at once.
    Its supervisor ends it where it has not stopped after `patience` seconds."""
    run = database.get_run(engine, run_id)
    now = database.now()
    never = {"state": "stopped", "turn": None, "started": func.coalesce(Run.started, now)}
    never |= {"ended": func.coalesce(Run.ended, now)}
    if database.update_run_if(engine, run.id, Run.state == "queued", **never):
        return database.get_run(engine, run.id)
    if database.update_run_if(engine, run.id, col(Run.state).in_(WORKING), state="stopping"):
        seconds = patience_with(run) if patience is None else patience
        flag = Path(run.folder) / FLAG
        if not (flag.is_file() and flag.read_text() == SAVING_FLAG):  # asked again while it saves
            flag.write_text(f"{seconds:.1f}")
    return database.get_run(engine, run.id)


def _await_supervisor(run: Run) -> None:
    """Gives a supervisor the moment in which it ends what the worker left and writes how it ended."""
    deadline = time.monotonic() + SUPERVISED_FOR
    while is_supervised(Path(run.folder)) and time.monotonic() < deadline:
        time.sleep(0.05)


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
    lost otherwise, with what is known of the reason. Then the runs that waited for their devices start."""
    process.reap_children()
    for run in database.active_runs(engine):
        if alive(run) or run.turn is not None:
            continue
        silent = database.now() - (run.heartbeat or run.created)
        if run.pid is None and silent < (SILENT_AFTER if run.state == "queued" else STARTING):
            continue
        folder = Path(run.folder)
        ending = read_ending(folder, run.token)
        if ending is None and silent < SUPERVISED_FOR and is_supervised(folder):
            continue
        process.end_leftovers(run)
        asked = run.state == "stopping"
        state, reason = ("stopped", "") if asked else conclude(folder, ending)
        # only while it still is what we looked at: it may have ended, or been resumed, meanwhile
        same = (
            Run.state == run.state,
            Run.token == run.token,
            col(Run.pid).is_not_distinct_from(run.pid),
        )
        ended = {"ended": run.heartbeat or database.now(), "eta": None, "progress": None}
        ended |= ending.columns() if ending else {}
        database.update_run_if(engine, run.id, *same, state=state, reason=reason, **ended)
    start_waiting(engine)


def settle(engine: Engine, run_id: str) -> None:
    """Keeps what a supervisor wrote of its worker's end, and starts what waited for its device. Who looked before it
    was written called the run lost without knowing why: the reason is mended."""
    run = database.get_run(engine, run_id)
    folder = Path(run.folder)
    ending = read_ending(folder, run.token)
    if ending:
        same = Run.token == ending.token
        database.update_run_if(engine, run.id, same, **ending.columns())
        _, reason = conclude(folder, ending)
        database.update_run_if(engine, run.id, same, Run.state == "lost", reason=reason)
    reap(engine)
