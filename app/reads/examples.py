"""The runs that come with the package, as they are in this lab."""

from __future__ import annotations

from app.reads.engine import database_engine
from memfactory_core.errors import RunError
from memfactory_core.runs.tables import Run


def find_examples() -> list[Run]:
    """The example runs of this lab by name; [] where they were taken out, or where the package came without them."""
    try:
        from memfactory_core.runs import examples
    except ImportError:
        return []
    return sorted(examples.find(database_engine()).values(), key=lambda run: run.name)


def bring_in_examples() -> None:
    """Brings them into this lab, beside what is there. RunError where the package came without them."""
    try:
        from memfactory_core.runs import examples
    except ImportError as error:
        raise RunError("this installation was built without the example runs") from error
    examples.bring_in(database_engine())
