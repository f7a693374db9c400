"""How scores are shown: title, percent or number, order, as the parts say. Names come from runs, so that they may
be those of parts with settings, or of parts that are here no more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from memfactory_core.rewards import Reward, in_order


class Shown:
    """The looks of a run's scores; `table` is the run's `[reward]`, checked or as plain values."""

    def __init__(self, table: Mapping[str, Any] | None = None) -> None:
        self.table = table or {}
        self.parts = in_order()

    def part(self, name: str) -> type[Reward] | None:
        """The part that measures a score; None where it is here no more."""
        entry = self.table.get(name)
        if isinstance(entry, Reward):
            return type(entry)
        if isinstance(entry, str):  # a kind alone, as recipes may write it
            return self.parts.get(entry)
        return self.parts.get(entry.get("kind", name) if isinstance(entry, Mapping) else name)

    def title(self, name: str) -> str:
        """A score's name in charts and tables."""
        part = self.part(name)
        return (part.title if part and part.kind == name else "") or in_words(name)

    def is_share(self, name: str) -> bool:
        """Whether a score is shown in percent."""
        part = self.part(name)
        return bool(part and part.is_share())

    def about(self, name: str) -> str:
        """What a score speaks of; of an unknown one that is its cost, which promises nothing."""
        part = self.part(name)
        return part.about if part else "cost"

    def in_order(self, names: Iterable[str]) -> list[str]:
        """Scores in the order of their parts; those that no part knows come last."""
        places = {kind: place for place, kind in enumerate(self.parts)}

        def place(name: str) -> tuple[int, str]:
            part = self.part(name)
            return (places[part.kind] if part else len(places), name)

        return sorted(set(names), key=place)

    def short(self, names: Iterable[str]) -> list[str]:
        """Those for a table with room for few: parts that say so, and parts with settings."""
        return [
            name
            for name in self.in_order(names)
            if (part := self.part(name)) is None or part.short or part.kind != name
        ]


def in_words(name: str) -> str:
    """A name as words."""
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]
