"""A background run followed from the shell: begun, waited for with its progress, concluded with its table."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from sqlalchemy import Engine

from memfactory_core.cli.report import diagnose, print_diagnosis, print_table, report
from memfactory_core.config import RunConfig
from memfactory_core.errors import RunError
from memfactory_core.runs import database, jobs
from memfactory_core.runs.queue import describe_wait
from memfactory_core.runs.tables import ACTIVE, Run
from memfactory_core.text import one_line


def open_database() -> Engine:
    """The database of runs, runs without a process corrected."""
    connection = database.connect(jobs.database_url())
    jobs.reap(connection)
    return connection


def begin(settings: RunConfig) -> Run:
    """A run with this configuration, started in the background as soon as its device is free."""
    return jobs.begin(open_database(), settings)


def announce(run: Run) -> None:
    """Prints the id of a run that was begun in the background; on stderr what it waits for, if anything."""
    print(run.id)
    wait = describe_wait(open_database(), run)
    if wait:
        print(one_line(f"queued: {wait}; `memfactory queue` shows the order"), file=sys.stderr)


def wait_for(run_id: str, quiet: bool = False) -> Run:
    """The run once it has ended; its progress goes to stderr. RunError where the user interrupts, which stops it."""
    connection = open_database()
    shown = ""
    try:
        while (run := database.get_run(connection, run_id)).state in ACTIVE:
            line = _progress(run, connection)
            if not quiet and line != shown:
                print(one_line(line), file=sys.stderr, flush=True)
                shown = line
            time.sleep(0.5)
            jobs.reap(connection)
    except KeyboardInterrupt:
        jobs.stop(connection, run_id)
        raise RunError(
            f"stopped run {run_id}; `memfactory resume {run_id}` goes on with it"
        ) from None
    return run


def _progress(run: Run, connection: Engine) -> str:
    if run.turn is not None:
        return f"{run.id}  {describe_wait(connection, run)}"
    if run.phase != "training":
        share = "" if run.progress is None else f" {int(run.progress * 10)}0%"
        return f"{run.id}  {run.phase or run.state}{share}"
    step = run.step - run.step % 5
    left = f", about {run.eta:.0f} s left" if run.eta and step else ""
    return f"{run.id}  step {step}/{run.steps}" + (left if step == run.step else "")


def conclude(run: Run, json_: bool, check: bool = True) -> None:
    """Prints what came of a run, and why. RunError where `check` and it did not finish."""
    diagnosis = diagnose(open_database(), run)
    if json_:
        print(json.dumps(report(run) | {"diagnosis": diagnosis}, indent=2))
    else:
        print_table(run)
        print_diagnosis(diagnosis)
    if check and run.state != "finished":
        log = Path(run.folder) / "log.txt"
        raise RunError(f"run {run.id} {run.state}: {run.reason or 'no reason given'}; log: {log}")
