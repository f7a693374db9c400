"""RMM's reward of what was read (arXiv 2503.08026): a memory that the answer cites earns +1, one that it does not -1.
Departure: 1. the mean over the memories, one number for each episode, where the paper's reranker is paid for each."""

from __future__ import annotations

from statistics import fmean

from memfactory_core.rewards import Reward
from memfactory_core.trace import Cited, Episode, Recalled


class Citation(Reward, kind="citation"):
    """Memories that were read: +1 for one that the answer names, -1 for one that it does not (RMM)."""

    title = "Read and cited"
    about = "memory"
    low, high = -1.0, 1.0
    needs = "answers name the memories that they rest on (`paradigm.cites`)"
    short = False
    order = 45

    def measure(self, episode: Episode) -> float | None:
        """Mean over the memories read, then over the questions; 0 for a question for which nothing was read."""
        read = {e.query: e.hits for e in episode.events if isinstance(e, Recalled) and e.at is None}
        values = []
        for event in episode.events:
            if isinstance(event, Cited):
                earned = [
                    1.0 if hit.memory.id in event.memory_ids else -1.0
                    for hit in read.get(event.question, ())
                ]
                values.append(fmean(earned) if earned else 0.0)
        return fmean(values) if values else None
