"""The attempts of a step: groups of episodes of one example each, from the beginning or from one recorded state.

With `credit = "episode"` the attempts of a group are independent, and all that one of them decided shares its
advantage. With `credit = "decision"` (same-state credit) the first attempt is played to its end, one of its trained
turns is drawn, and the others repeat it up to there: they decide anew in the very state in which it decided. What they
earn more or less than each other hangs on that one decision and what followed, so that it alone is trained. The number
of episodes is the same.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from memfactory_core.episode import Answering, run_episodes
from memfactory_core.paradigms import Paradigm
from memfactory_core.policies.reinforcement import Training
from memfactory_core.policies.replaying import Replaying
from memfactory_core.trace import Episode
from memfactory_core.types import Completion, Example


def play_attempts(
    paradigm: Paradigm,
    sampler: Answering,
    examples: Sequence[Example],
    settings: Training,
    step: int,
    seed: int,
) -> list[Episode]:
    """One episode for each of `examples`, in which each stands as often as it is attempted; the attempts at one share a
    group id. `step` and `seed` decide which turn of which group is drawn."""
    if settings.credit == "episode":
        groups = [f"{step}-{example.id}" for example in examples]
        return run_episodes(paradigm, sampler, examples, settings.temperature, groups)
    once = list({example.id: example for example in examples}.values())
    groups = [f"{step}-{example.id}" for example in once]
    firsts = run_episodes(paradigm, sampler, once, settings.temperature, groups)
    turns = [
        _draw_turn(first, random.Random(f"{seed} {group}"))
        for first, group in zip(firsts, groups, strict=True)
    ]
    counts = Counter(example.id for example in examples)
    sizes = [counts[example.id] for example in once]
    parted = part_at(paradigm, sampler, firsts, turns, sizes, settings.temperature)
    attempts = {example.id: group for example, group in zip(once, parted, strict=True)}
    return [attempts[example.id].pop(0) for example in examples]


def part_at(
    paradigm: Paradigm,
    sampler: Answering,
    firsts: Sequence[Episode],
    turns: Sequence[int],
    sizes: Sequence[int],
    temperature: float,
) -> list[list[Episode]]:
    """A group for each of `firsts`, that attempt at its head: the others repeat it up to the turn of this number and
    decide anew from there. There are `sizes` attempts in each, and that turn alone is trained in all of them."""
    copies: list[tuple[int, Example]] = [
        (index, first.example.model_copy(update={"id": f"{first.example.id}~{number}"}))
        for index, first in enumerate(firsts)
        for number in range(1, sizes[index])
    ]
    words: dict[str, list[Completion]] = {
        copy.id: [turn.completion for turn in firsts[index].turns[: turns[index]]]
        for index, copy in copies
    }
    others = run_episodes(
        paradigm, Replaying(sampler, words), [copy for _, copy in copies], temperature,
        [firsts[index].group_id for index, _ in copies],
    )  # fmt: skip
    groups = [[_train_only(first, turns[index])] for index, first in enumerate(firsts)]
    for (index, _), other in zip(copies, others, strict=True):
        same = other.model_copy(update={"example": firsts[index].example})
        groups[index].append(_train_only(same, turns[index]))
    return groups


def _draw_turn(first: Episode, chance: random.Random) -> int:
    """A trained turn of an attempt, all equally likely; 0 where none is trained."""
    trained = [index for index, turn in enumerate(first.turns) if turn.trainable]
    return chance.choice(trained) if trained else 0


def _train_only(episode: Episode, index: int) -> Episode:
    """The episode in which no other turn is trained: the attempts share what was said before it, and what came after it
    was decided in states of their own."""
    turns = tuple(
        turn if number == index else turn.model_copy(update={"trainable": False})
        for number, turn in enumerate(episode.turns)
    )
    return episode.model_copy(update={"turns": turns})
