"""Episodes that begin as recorded ones: the words of before are given back to the parts, so that the memory becomes
what it was, and from there on the policy is asked anew. What-if and same-state credit play this way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from memfactory_core.dialects import Dialect
from memfactory_core.episode import Answering, Ask
from memfactory_core.types import Completion


class Replaying:
    """A sampler that says the given words of each episode first, and then asks the policy. Episodes are told apart by
    their example's id."""

    def __init__(self, policy: Answering, words: Mapping[str, Sequence[Completion]]) -> None:
        self.policy = policy
        self.words = words
        self.given: dict[str, int] = {}

    def dialect_of(self, role: str) -> Dialect:
        """The policy's own."""
        return self.policy.dialect_of(role)

    def complete(self, asks: Sequence[Ask], temperature: float) -> list[Completion]:
        """Recorded words where there are some left, the policy's own for the rest, in one batch."""
        results = [self._recorded(ask.example.id) for ask in asks]
        open_asks = [ask for ask, result in zip(asks, results, strict=True) if result is None]
        fresh = iter(self.policy.complete(open_asks, temperature) if open_asks else [])
        return [next(fresh) if result is None else result for result in results]

    def _recorded(self, episode: str) -> Completion | None:
        number, words = self.given.get(episode, 0), self.words.get(episode, ())
        self.given[episode] = number + 1
        return words[number] if number < len(words) else None
