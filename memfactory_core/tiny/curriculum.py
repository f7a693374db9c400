"""What the tiny policy is taught, stage by stage: copying, reading, and the forms of decisions taken at random."""

from __future__ import annotations

import random

from memfactory_core.tiny.skills import Turn, cite, read, recognise, repeat
from memfactory_core.tiny.teachers import manage, remember, select


def practise(rng: random.Random, low: int = 1, high: int = 4) -> list[Turn]:
    """One example of pure skill over `low` to `high` facts."""
    kind = rng.random()
    if kind < 0.5:
        return read(rng, low, high)
    return cite(rng, low, high) if kind < 0.7 else repeat(rng, low, high)


def mature(rng: random.Random) -> list[Turn]:
    """One example of everything but remembering: reading grows exact while the manager's and the reranker's
    ignorant teachers are imitated."""
    kind = rng.random()
    if kind < 0.28:
        return manage(rng, ordered=True)
    if kind < 0.40:
        return select(rng)
    if kind < 0.62:
        return read(rng, 0, 5, turns=3, absent=0.35)
    if kind < 0.75:
        return read(rng, 4, 12, turns=3, absent=0.3)
    return practise(rng, 2, 6)


def demonstrate(rng: random.Random) -> list[Turn]:
    """One example of the stage in which remembering and choosing an operation are met for the first time, and which
    soon ends: a model that was taught long to ignore the question needs as long to listen to it again."""
    kind = rng.random()
    if kind < 0.35:
        return remember(rng)
    return manage(rng) if kind < 0.6 else mature(rng)


def compare(rng: random.Random) -> list[Turn]:
    """One example of the last stage, in which likeness and sameness are told apart. Without it a manager's state before
    its decision told a change from a near miss at .77 (`python -m bench.probe`), and what a state does not hold no
    reward brings out. It comes last: a model that was taught to ignore the question after it was as slow to listen
    again as one that never had it (docs/results.md). What is to be done about a change is still not told."""
    kind = rng.random()
    if kind < 0.1:
        return manage(rng)
    return recognise(rng) if kind < 0.6 else mature(rng)


def random_segments(
    rng: random.Random, ids: list[int], mark: int, size: int = 72
) -> tuple[list[int], list[bool]]:
    """About `size` tokens in which one to four random segments, each closed by `mark`, come back in
    shuffled orders, and which tokens are learned: all of the repeats. Where a segment starts the
    next one is open, which is how choosing at random is first met."""
    segments = [[*rng.choices(ids, k=rng.randint(2, 5)), mark] for _ in range(rng.randint(1, 4))]
    sequence = [token for segment in segments for token in segment]
    learned = [False] * len(sequence)
    while len(sequence) < size:
        for segment in rng.sample(segments, len(segments)):
            sequence += segment
            learned += [True] * (len(segment) - 1) + [False]
    return sequence, learned
