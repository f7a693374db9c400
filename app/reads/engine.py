"""The lab's database, opened once per server."""

from __future__ import annotations

import logging
import threading
from functools import lru_cache

from sqlalchemy import Engine

from memfactory_core.errors import MemFactoryError
from memfactory_core.runs import database, jobs

_OPENING = threading.Lock()
_OPENED: set[str] = set()


def database_engine() -> Engine:
    """The lab's database, opened once per server; the example runs are put in where it has no runs. Whatever page reads
    it, runs whose process is gone are called so."""
    url = jobs.database_url()
    with _OPENING:
        opened = _open(url)
        _OPENED.add(url)
    jobs.look(opened)
    return opened


def is_open() -> bool:
    """Whether this server has opened the lab's database: the first time takes a while."""
    return jobs.database_url() in _OPENED


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
