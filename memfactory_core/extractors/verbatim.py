"""Nothing is left out: an observation is one fact, or several where it is long."""

from __future__ import annotations

from pydantic import Field

from memfactory_core.episode import Context
from memfactory_core.extractors import Extractor
from memfactory_core.tasks.sections import cut


class Verbatim(Extractor, kind="verbatim"):
    """Passes each observation on as it stands, cut into sections where it is long."""

    section: int = Field(20_000, ge=20, le=1_000_000)
    """The longest piece that is passed on whole, in characters; MemAgent's 5,000 tokens are about 20,000."""

    def extract(self, observation: str, context: Context) -> list[str]:
        """The observation, cut into sections of at most `section` characters."""
        return cut(observation, self.section)
