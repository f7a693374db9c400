"""The right to work on a run: at most one process holds it, by the token that its start wrote into the run's row.

Every write of a worker renews the lease in the same transaction, so nothing is written by one that lost it."""

from __future__ import annotations

import time

from sqlalchemy import Connection, update
from sqlmodel import col

from memfactory_core.errors import RunError
from memfactory_core.runs.tables import ACTIVE, Run
from memfactory_core.types import Record


class LeaseLost(RunError):
    """The run belongs to another worker, or to none any more; whoever gets this leaves without a word."""


class Lease(Record):
    """A worker's hold on a run."""

    run_id: str
    token: str
    pid: int

    def renew(self, connection: Connection) -> None:
        """Says in the run's row that its worker lives. LeaseLost where the row names another one or the run has
        ended. As the transaction's first statement it also takes the write lock."""
        mine = (
            col(Run.id) == self.run_id,
            col(Run.token) == self.token,
            col(Run.pid) == self.pid,
            col(Run.state).in_(ACTIVE),
        )
        found = connection.execute(update(Run).where(*mine).values(heartbeat=time.time()))
        if found.rowcount != 1:
            raise LeaseLost(f"process {self.pid} is not the worker of run {self.run_id} any more")
