"""Each line of an observation is a fact: for dialogues and lists that are one already."""

from __future__ import annotations

import re

from memfactory_core.episode import Context
from memfactory_core.extractors import Extractor

_NUMBER = re.compile(r"^\d+\.\s+")


class Lines(Extractor, kind="lines"):
    """Takes each line as one fact."""

    numbers: bool = False
    """Whether a line keeps the number that it begins with."""

    def extract(self, observation: str, context: Context) -> list[str]:
        """The lines that are not empty."""
        lines = [line.strip() for line in observation.splitlines()]
        return [line if self.numbers else _NUMBER.sub("", line) for line in lines if line]
