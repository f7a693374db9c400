"""Whether what was written is what was read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from statistics import fmean

from memfactory_core.rewards import Reward
from memfactory_core.tasks.sentences import split_sentences
from memfactory_core.text import telling
from memfactory_core.trace import Episode, follow_writes


class Grounded(Reward, kind="grounded"):
    """Share of the written sentences that one sentence of the section or of the old memory states. A sentence is stated
    where its names, its numbers and all its telling words but the question's stand in one that was read: a rewording
    with another word counts as not stated, a sentence that says no more than the question as stated."""

    title = "Written as read"
    about = "memory"
    low, high = 0.0, 1.0
    needs = "something was written while a section was read"
    order = 45

    def measure(self, episode: Episode) -> float | None:
        """The mean over the writes; what a write copies from the memory that it replaces is stated."""
        asked = telling(episode.example.question)
        shares = [
            _stated_share(event.after or "", sources, asked)
            for event, sources in follow_writes(episode.example, episode.events)
        ]
        found = [share for share in shares if share is not None]
        return fmean(found) if found else None


def _stated_share(text: str, sources: Sequence[str], asked: frozenset[str]) -> float | None:
    """The share of a text's sentences that the sources state; None of a text without words."""
    written = _needed(text, asked)
    if not written:
        return None
    # what was read comes first and mostly states it: the bank is then not looked through
    return fmean(
        [
            any(needed <= known for source in sources for known in _told(source))
            for needed in written
        ]
    )


@lru_cache(maxsize=8192)  # fewer than a bank holds would be read anew for each write
def _told(source: str) -> tuple[frozenset[str], ...]:
    """The telling words of each sentence of a source; one bank after the other holds the same memories."""
    return tuple(telling(sentence) for sentence in split_sentences(source))


@lru_cache(maxsize=1024)
def _needed(text: str, asked: frozenset[str]) -> tuple[frozenset[str], ...]:
    """Of each sentence that tells something the telling words that its source must have; attempts write the same."""
    found = []
    for sentence in split_sentences(text):
        if told := telling(sentence):
            words = sentence.split()
            firm = [word for word in words if word[:1].isupper() or any(map(str.isdigit, word))]
            found.append((told - asked) | telling(" ".join(firm)))
    return tuple(found)
