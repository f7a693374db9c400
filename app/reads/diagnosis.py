"""Reads of a run's diagnosis: what stood in the way of better answers."""

from __future__ import annotations

from app.reads.engine import database_engine
from memfactory_core.explain.diagnosis import Diagnosis
from memfactory_core.runs.diagnosis import diagnose_run
from memfactory_core.runs.tables import Run

KEPT = 32
"""Diagnoses that are kept, the newest."""
_found: dict[tuple[str, ...], tuple[str, list[Diagnosis]]] = {}


def find_diagnosis(run: Run) -> tuple[str, list[Diagnosis]]:
    """The phase that was diagnosed and what was found, the weightiest first; it is read anew when the run has
    gone on."""
    moment = (str(database_engine().url), run.id, run.state, run.phase, str(run.step))
    if moment not in _found:
        _found[moment] = diagnose_run(database_engine(), run)
        while len(_found) > KEPT:
            _found.pop(next(iter(_found)), None)
    return _found[moment]
