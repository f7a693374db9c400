"""The baseline that decides nothing: every fact becomes a memory."""

from __future__ import annotations

from typing import Any

from memfactory_core.episode import Context
from memfactory_core.types import Op
from memfactory_core.updaters.keys import KeyedUpdater


class Append(KeyedUpdater, kind="append"):
    """Adds every fact as a memory of its own."""

    @property
    def asks(self) -> dict[str, str]:
        """None, but for keys."""
        return self.roles()

    def update(self, facts: list[str], context: Context) -> Any:
        """One ADD for each fact."""
        ops = [Op(action="add", text=fact) for fact in facts]
        return self.write_keys(ops, context) if self.keys else ops
