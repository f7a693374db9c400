"""The queue: runs that wait for a device, in the order of their turn. A run is taken from it in one transaction that
holds the whole queue, so that no run is taken twice and no device takes more than it has slots for."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import Connection, Engine, func, select, update
from sqlmodel import Session, col

from memfactory_core.errors import RunError
from memfactory_core.runs import database
from memfactory_core.runs.devices import count_slots
from memfactory_core.runs.tables import WORKING, Run

Move = Literal["first", "up", "down", "last"]
QUEUED = (col(Run.state) == "queued", col(Run.turn).is_not(None))
"""A run that waits for its device; one that was only made is in state queued too, but has no turn."""


def enqueue(engine: Engine, run_id: str, device: str, *conditions: Any) -> bool:
    """Puts a run at the end of the queue for a device where the conditions hold; whether they did."""
    last = select(func.coalesce(func.max(Run.turn), 0.0) + 1.0).scalar_subquery()
    waits = {"state": "queued", "turn": last, "device": device, "heartbeat": database.now()}
    waits |= {"pid": None, "born": None, "eta": None, "progress": None, "reason": "", "phase": ""}
    return database.update_run_if(engine, run_id, *conditions, **waits)


def list_queue(engine: Engine) -> list[Run]:
    """The runs that wait, the next one first."""

    def read() -> list[Run]:
        with Session(engine) as session:
            return list(session.execute(_in_order(select(Run))).scalars())

    return database.patiently(engine, read)


def take_next(engine: Engine) -> str | None:
    """Claims the first run that waits for a device with a free slot: it is starting then, with a token of its own.
    Its id, or None where none can start."""
    if not _choose(list_queue(engine), _list_working(engine)):
        return None

    def take(connection: Connection) -> str | None:
        waiting = _hold(connection)
        working = connection.execute(select(col(Run.device)).where(col(Run.state).in_(WORKING)))
        chosen = _choose(waiting, Counter(working.scalars()))
        if chosen is None:
            return None
        run_id, device = chosen
        connection.execute(
            update(Run).where(col(Run.id) == run_id, *QUEUED).values(
                state="starting", turn=None, device=device, token=secrets.token_hex(8), pid=None, born=None,
                eta=None, reason="", seconds=database.worked_before(), started=database.now(), ended=None,
                heartbeat=database.now(), exit_code=None, exit_signal="", out_of_memory=False, peak_memory=None,
            )
        )  # fmt: skip
        return run_id

    return database.write(engine, take)


def move(engine: Engine, run_id: str, where: Move) -> None:
    """Moves a run among those that wait for the same device. RunError where it does not wait."""

    def change(connection: Connection) -> None:
        waiting = _hold(connection)
        device = next((run.device for run in waiting if run.id == run_id), None)
        if device is None:
            raise RunError(f"run {run_id} is in no queue; `memfactory queue` shows those that are")
        rivals = [run.id for run in waiting if run.device == device]
        turns = [float(number) for number, run in enumerate(waiting, 1) if run.device == device]
        at = rivals.index(run_id)
        to = {"first": 0, "up": at - 1, "down": at + 1, "last": len(rivals)}[where]
        rivals.insert(max(0, to), rivals.pop(at))
        order = dict(zip(rivals, turns, strict=True))
        for number, run in enumerate(waiting, 1):
            turn = order.get(run.id, float(number))
            connection.execute(update(Run).where(col(Run.id) == run.id).values(turn=turn))

    database.write(engine, change)


def describe_wait(engine: Engine, run: Run) -> str:
    """What a run in the queue waits for, in words; "" for any other run."""
    if run.state != "queued" or run.turn is None:
        return ""
    if not any(_is_kind(device, run.device) for device in count_slots()):
        return f"waits for {run.device}: there is none here"
    held = [other.id for other in database.active_runs(engine)
            if other.state in WORKING and _is_kind(other.device, run.device)]  # fmt: skip
    before = sum(
        other.device == run.device and (other.turn or 0.0) < run.turn
        for other in list_queue(engine)
    )
    words = f"waits for {run.device}"
    if held:
        words += f": held by run{'s' if held[1:] else ''} {' and '.join(sorted(held))}"
    if before:
        words += f"{',' if held else ':'} {before} {'run' if before == 1 else 'runs'} before it"
    return words


def _hold(connection: Connection) -> list[Any]:
    """The rows (id, device, turn) that wait, held for this transaction: it begins with a write, which another one that
    does the same has to wait for."""
    connection.execute(update(Run).where(*QUEUED).values(turn=Run.turn))
    return list(connection.execute(_in_order(select(col(Run.id), col(Run.device), col(Run.turn)))))


def _in_order(chosen: Any) -> Any:
    return chosen.where(*QUEUED).order_by(col(Run.turn), col(Run.created), col(Run.id))


def _list_working(engine: Engine) -> Counter[str]:
    runs = database.active_runs(engine)
    return Counter(run.device for run in runs if run.state in WORKING)


def _choose(waiting: list[Any], working: Mapping[str, int]) -> tuple[str, str] | None:
    """The first (run, device) that can be brought together."""
    if not waiting:
        return None
    slots = count_slots()
    for run in waiting:
        for device, count in slots.items():
            if _is_kind(device, run.device) and working.get(device, 0) < count:
                return run.id, device
    return None


def _is_kind(device: str, kind: str) -> bool:
    return device.partition(":")[0] == kind
