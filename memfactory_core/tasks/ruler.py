"""RULER's synthetic tests of long contexts (arXiv 2404.06654), by its recipes, in our words and
seeded.

All golds must be in the answer, so `answers` is one text that lists them and `meta["all_of"]` has
them one by one for RULER's measure, the share that is contained. Departures: 1. keys and words are
invented syllables instead of English words, so that nothing can be known beforehand and held-out
ones exist; 2. the noise is five plain sentences, never essays; 3. lengths are counted in sections
and sentences, not in a model's tokens.
"""

from __future__ import annotations

import random
from typing import Literal

from pydantic import Field

from memfactory_core.tasks import Task
from memfactory_core.tasks.language import Speaker, Split
from memfactory_core.types import Evidence, Example

NOISE = (
    "Rain fell on the hills.", "A cat slept by the door.", "The kettle was on the stove.",
    "Nobody was in a hurry.", "The evening went by as always.",
)  # fmt: skip
"""Sentences that state nothing, repeated between the facts."""
TOP = 3
"""Frequent words that are asked for (RULER's fwe)."""
DISTINCT = 20_000
"""Different words in a text at most; longer texts repeat them more often (common words)."""


class Ruler(Task, kind="ruler"):
    """Needles, chains of variables and word counts in texts of any length (RULER)."""

    test: Literal[
        "niah_single", "niah_multikey", "niah_multivalue", "niah_multiquery",
        "variable_tracking", "frequent_words", "common_words",
    ] = "niah_single"  # fmt: skip
    """Which of RULER's tests."""
    sections: int = Field(4, ge=1, le=100_000)
    """How many sections are read."""
    sentences: int = Field(20, ge=1, le=10_000)
    """Sentences in each section, or words divided by ten where words are counted."""
    items: int = Field(4, ge=1, le=1000)
    """Keys with a value of their own (multikey), values of one key (multivalue), keys that are
    asked for (multiquery) or assignments after the first in a chain (variable tracking)."""
    chains: int = Field(1, ge=1, le=100)
    """Chains of variables, of which one is asked for (variable tracking)."""
    common: int = Field(10, ge=1, le=100)
    """How many words are common and asked for (common words)."""
    alpha: float = Field(2.0, gt=1, le=10)
    """Steepness of the word counts; smaller is harder (frequent words)."""

    def examples(self, count: int, seed: int, split: Split = "train") -> list[Example]:
        """`count` texts; keys and words of the split "heldout" are never seen in training."""
        return [self._example(index, seed, split) for index in range(count)]

    def _example(self, index: int, seed: int, split: Split) -> Example:
        rng = random.Random(f"ruler {self.test} {split} {seed} {index}")
        speaker = Speaker(rng, split)
        if self.test == "frequent_words":
            pieces, question, golds = self._frequent_words(rng, speaker)
            needles: list[str] = []
        elif self.test == "common_words":
            pieces, question, golds = self._common_words(rng, speaker)
            needles = []
        else:
            make = self._variables if self.test == "variable_tracking" else self._needles
            facts, question, golds, needles = make(rng, speaker)
            pieces = self._bury(rng, facts)
        size = -(-len(pieces) // self.sections)
        parts = [pieces[start : start + size] for start in range(0, len(pieces), size)]
        return Example(
            id=f"ruler-{self.test}-{split}-{seed}-{index}",
            observations=tuple(" ".join(part) for part in parts),
            question=question,
            answers=(", ".join(golds),),
            evidence=tuple(
                Evidence(text=needle, observation=pieces.index(needle) // size)
                for needle in needles
            ),
            meta={"category": self.test, "all_of": golds},
        )

    def _bury(self, rng: random.Random, facts: list[list[str]]) -> list[str]:
        """The facts among noise, at places drawn anew; the facts of one list keep their order."""
        total = max(self.sections * self.sentences, sum(map(len, facts)))
        order = [index for index, chain in enumerate(facts) for _ in chain]
        rng.shuffle(order)
        queues = [iter(chain) for chain in facts]
        places = set(rng.sample(range(total), len(order)))
        turn = iter(order)
        return [
            next(queues[next(turn)]) if place in places else NOISE[place % len(NOISE)]
            for place in range(total)
        ]

    def _needles(self, rng: random.Random, speaker: Speaker) -> tuple:
        multivalue = self.test == "niah_multivalue"
        keys = [
            speaker.name()
            for _ in range(1 if multivalue or self.test == "niah_single" else self.items)
        ]
        numbers = rng.sample(range(1_000_000, 10_000_000), self.items if multivalue else len(keys))
        owners = keys * len(numbers) if multivalue else keys
        facts = [[f"A secret number of {k} is {n}."] for k, n in zip(owners, numbers, strict=True)]
        if self.test in ("niah_single", "niah_multikey"):
            asked = rng.randrange(len(keys))
            question = f"What is the secret number of {keys[asked]}?"
            return facts, question, [str(numbers[asked])], facts[asked]
        names = " and ".join(keys)
        question = f"What are all the secret numbers of {names}?"
        return facts, question, [str(number) for number in numbers], [text for [text] in facts]

    def _variables(self, rng: random.Random, speaker: Speaker) -> tuple:
        chains, values = [], rng.sample(range(10_000, 100_000), self.chains)
        names = [[speaker.name().upper() for _ in range(self.items + 1)] for _ in values]
        for value, chain in zip(values, names, strict=True):
            links = [f"VAR {a} = VAR {b}." for b, a in zip(chain, chain[1:], strict=False)]
            chains.append([f"VAR {chain[0]} = {value}.", *links])
        asked = rng.randrange(self.chains)
        question = f"Which variables are assigned the value {values[asked]}?"
        return chains, question, names[asked], chains[asked]

    def _frequent_words(
        self, rng: random.Random, speaker: Speaker
    ) -> tuple[list[str], str, list[str]]:
        """Counts fall like rank ** -alpha; the first rank is noise, written `...`, the next three
        are asked."""
        total = self.sections * self.sentences * 10
        weights = [rank**-self.alpha for rank in range(1, 51)]
        counts = [int(total * weight / sum(weights)) for weight in weights]
        for rank in range(TOP, 0, -1):  # the ones asked for must lead by at least one
            counts[rank] = max(counts[rank], counts[rank + 1] + 1)
        counts[0] += max(0, total - sum(counts))
        coded = [speaker.name().lower() for _ in counts[1:]]
        text = ["..."] * counts[0]
        for word, times in zip(coded, counts[1:], strict=True):
            text += [word] * times
        rng.shuffle(text)
        question = f"What are the {TOP} most frequent coded words, the dots left out?"
        return text, question, coded[:TOP]

    def _common_words(
        self, rng: random.Random, speaker: Speaker
    ) -> tuple[list[str], str, list[str]]:
        """Common words stand ten times as often as the others, RULER's 30 to 3."""
        total = self.sections * self.sentences * 10
        rare = max(3 if total >= 60 * self.common else 1, -(-total // DISTINCT))
        common = [speaker.name().lower() for _ in range(self.common)]
        others = max(0, total - 10 * rare * self.common) // rare
        text = common * (10 * rare)
        text += [speaker.name().lower() for _ in range(others)] * rare
        rng.shuffle(text)
        numbered = [f"{number}. {word}" for number, word in enumerate(text, 1)]
        return numbered, f"What are the {self.common} most common words in the list?", common
