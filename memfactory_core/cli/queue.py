"""The queue from the shell: which runs wait for a device, in which order, and a change of the order."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from memfactory_core.cli.foreground import open_database
from memfactory_core.errors import ConfigError
from memfactory_core.runs import database
from memfactory_core.runs.devices import count_slots
from memfactory_core.runs.queue import Move, describe_wait, list_queue, move
from memfactory_core.runs.tables import WORKING
from memfactory_core.text import one_line


def queue(
    run_id: Annotated[str, typer.Argument(help="The run to move.")] = "",
    first: Annotated[bool, typer.Option("--first", help="To the front.")] = False,
    up: Annotated[bool, typer.Option("--up", help="One place forward.")] = False,
    down: Annotated[bool, typer.Option("--down", help="One place back.")] = False,
    last: Annotated[bool, typer.Option("--last", help="To the end.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the devices and the runs that wait for them, or move a run in the queue."""
    given: dict[Move, bool] = {"first": first, "up": up, "down": down, "last": last}
    moves = [name for name, chosen in given.items() if chosen]
    if len(moves) != (1 if run_id else 0):
        raise ConfigError("to move a run name it and one of --first, --up, --down, --last")
    engine = open_database()
    if run_id:
        move(engine, database.get_run(engine, run_id).id, moves[0])
    active = database.active_runs(engine)
    held = {
        device: [run.id for run in active if run.state in WORKING and run.device == device]
        for device in count_slots()
    }
    waiting = [{"id": run.id, "name": run.name, "device": run.device,
                "waits": describe_wait(engine, run)} for run in list_queue(engine)]  # fmt: skip
    if json_:
        slots = [{"device": d, "slots": n, "runs": held[d]} for d, n in count_slots().items()]
        print(json.dumps({"devices": slots, "queue": waiting}, indent=2))
        return
    for device, count in count_slots().items():
        print(f"{device}  {len(held[device])} of {count} in use  {' '.join(held[device])}".rstrip())
    for run in waiting:
        print(one_line(f"{run['id']}  {run['waits']}  {run['name']}"))
