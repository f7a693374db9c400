"""Several that start one run at the same moment: threads of one process, as browser tabs are, and processes, as
shells are. Run as a program it is one of the shells."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

from sqlalchemy import Engine

from memfactory_core.config import load
from memfactory_core.errors import RunError
from memfactory_core.runs import database, jobs

TABS, SHELLS = 2, 2
BEGUN = "comparing retrievers"
"""The line of the log that each worker of these runs writes once."""
QUICK = [
    "mode=retrieve", 'retrieval.retrievers=["bm25"]', "evaluation.examples=2", "task=dialogue",
]  # fmt: skip


def race(engine: Engine, count: int) -> list[tuple[str, int]]:
    """Lets TABS threads and SHELLS processes start each of `count` runs at once; for each its id and how many were
    told that they had started it."""
    runs = [jobs.create(engine, load("memagent-tiny", QUICK)).id for _ in range(count)]
    shells = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.races"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(SHELLS)
    ]  # fmt: skip
    for shell in shells:
        assert shell.stdout.readline() == "ready\n"
    results = []
    for run_id in runs:
        moment = time.time() + 0.3
        for shell in shells:
            shell.stdin.write(f"{run_id} {moment}\n")
            shell.stdin.flush()
        told: list[bool] = []
        tabs = [
            threading.Thread(target=_tab, args=(told, engine, run_id, moment)) for _ in range(TABS)
        ]
        for tab in tabs:
            tab.start()
        for tab in tabs:
            tab.join()
        told += [shell.stdout.readline() == "started\n" for shell in shells]
        assert len(told) == TABS + SHELLS
        results.append((run_id, sum(told)))
        _await_end(engine, run_id)
    for shell in shells:
        shell.stdin.close()
        shell.stdout.close()
        assert shell.wait(30) == 0
    return results


def workers_of(engine: Engine, run_id: str) -> int:
    """How many workers began to carry out a run, as its log tells."""
    log = Path(database.get_run(engine, run_id).folder) / "log.txt"
    return log.read_text().count(BEGUN)


def begin(engine: Engine, run_id: str, moment: float) -> bool:
    """Starts a run at a moment; whether it was this one who started it."""
    run = database.get_run(engine, run_id)
    time.sleep(max(0.0, moment - time.time()))
    try:
        jobs.start(engine, run)
    except RunError:
        return False
    return True


def _tab(told: list[bool], engine: Engine, run_id: str, moment: float) -> None:
    told.append(begin(engine, run_id, moment))


def _await_end(engine: Engine, run_id: str) -> None:
    deadline = time.monotonic() + 120
    while database.get_run(engine, run_id).state != "finished":
        assert time.monotonic() < deadline
        time.sleep(0.1)
        jobs.reap(engine)


def main() -> None:
    """Reads `run moment` lines and starts each run at its moment."""
    engine = database.connect(jobs.database_url())
    print("ready", flush=True)
    for line in sys.stdin:
        run_id, moment = line.split()
        print("started" if begin(engine, run_id, float(moment)) else "refused", flush=True)


if __name__ == "__main__":
    main()
