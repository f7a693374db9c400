"""What the policy wrote, in tokens."""

from __future__ import annotations

from statistics import fmean

from pydantic import Field

from memfactory_core.rewards import Reward
from memfactory_core.trace import Episode


class Length(Reward, kind="length"):
    """Tokens the policy wrote, mean over turns."""

    title = "Tokens per turn"
    about = "cost"
    low = 0.0
    needs = "the policy tells its tokens"
    short = False
    order = 30

    most: int = Field(0, ge=0, le=1_000_000)
    """Tokens of a turn that are free; only those beyond it count."""

    def measure(self, episode: Episode) -> float | None:
        """Mean over the turns whose tokens are known."""
        written = [turn.completion.length for turn in episode.turns]
        beyond = [max(0, length - self.most) for length in written if length is not None]
        return fmean(beyond) if beyond else None
