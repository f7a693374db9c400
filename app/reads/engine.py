"""The lab's database, opened once per server."""

from __future__ import annotations

import logging
import threading
from functools import lru_cache

from sqlalchemy import Engine

from memfactory_core.errors import MemFactoryError
from memfactory_core.runs import database, jobs

_OPENING = threading.Lock()


def database_engine() -> Engine:
    """The lab's database, opened once per server; the example runs are put in where it has no runs. Whatever page reads
    it, runs whose process is gone are called so."""
    with _OPENING:
        opened = _open(jobs.database_url())
    jobs.look(opened)
    return opened


@lru_cache(maxsize=4)
def _open(url: str) -> Engine:
    opened = database.connect(url)
    try:
        from memfactory_core.runs import examples
    except ImportError:
        return opened
    try:
        examples.ensure(opened)
    except MemFactoryError as error:  # the lab works without it
        logging.getLogger(__name__).warning("no example runs: %s", error)
    return opened
