"""A run's process from the shell: stopped and resumed; and the two commands by which runs carry themselves out."""

from __future__ import annotations

import contextlib
import sys
from typing import Annotated

import typer

from memfactory_core.cli.foreground import announce, conclude, open_database, wait_for
from memfactory_core.errors import MemFactoryError
from memfactory_core.runs import database, jobs


def stop(
    run_id: str,
    grace: Annotated[
        float | None,
        typer.Option(help="Seconds for it to end by itself; by default 30, or three slow steps."),
    ] = None,
) -> None:
    """Stop a run after its current step, or take it out of the queue."""
    run = jobs.stop(open_database(), run_id, grace)
    print(f"{run.id}  {run.state}")


def resume(run_id: str, wait: Annotated[bool, typer.Option()] = False) -> None:
    """Go on with a run that was stopped, lost or failed, from its last checkpoint."""
    connection = open_database()
    run = jobs.start(connection, database.get_run(connection, run_id))
    if wait:
        conclude(wait_for(run.id), False)
    else:
        announce(run)


def work(run_id: str, token: Annotated[str | None, typer.Option()] = None) -> None:
    """Carry out a run in this process (what `train` starts in the background, naming it by its token)."""
    from memfactory_core.runs.worker import work as carry_out

    if carry_out(database.connect(jobs.database_url()), run_id, token).state == "failed":
        sys.exit(1)


def settle(run_id: str) -> None:
    """Note how a run's process ended and start what waited for its device (what its supervisor becomes)."""
    with contextlib.suppress(MemFactoryError):  # the next look at the runs does the same
        jobs.settle(database.connect(jobs.database_url()), run_id)
