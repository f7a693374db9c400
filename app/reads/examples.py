"""The runs that come with the package, as they are in this lab."""

from __future__ import annotations

from app.reads.engine import database_engine
from memfactory_core.errors import RunError
from memfactory_core.runs.tables import Run


def _read_examples() -> dict[str, Run]:
    """The example runs of this lab by the names of their folders; {} where the package came without them."""
    try:
        from memfactory_core.runs import examples
    except ImportError:
        return {}
    return examples.find(database_engine())


def find_examples() -> list[Run]:
    """The example runs of this lab by name; [] where they were taken out, or where the package came without them."""
    return [run for _, run in sorted(_read_examples().items())]


def find_example(name: str) -> Run | None:
    """An example run that is in this lab; None where it is not, or where the package came without examples."""
    return _read_examples().get(name)


def bring_in_examples() -> None:
    """Brings them into this lab, beside what is there. RunError where the package came without them."""
    try:
        from memfactory_core.runs import examples
    except ImportError as error:
        raise RunError("this installation was built without the example runs") from error
    examples.bring_in(database_engine())
