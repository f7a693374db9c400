"""The baseline that decides nothing: every fact becomes a memory."""

from __future__ import annotations

from memfactory_core.episode import Context
from memfactory_core.types import Op
from memfactory_core.updaters import Updater


class Append(Updater, kind="append"):
    """Adds every fact as a memory of its own."""

    def update(self, facts: list[str], context: Context) -> list[Op]:
        """One ADD for each fact."""
        return [Op(action="add", text=fact) for fact in facts]
