"""The small language of the synthetic tasks: facts in short plain sentences about invented names.

A fact reads `The pet of Bako is Zimo.`, its question `What is the pet of Bako?`. Names are two or three
random consonant-vowel syllables, drawn anew for every example, so that reading them is copying and
nothing can be memorised. A fixed fifth of all names is held out: training never sees them,
evaluation sees only them.
"""

from __future__ import annotations

import random
import re
import zlib
from dataclasses import dataclass
from typing import Literal

from memfactory_core.types import Evidence

CONSONANTS = "bdfghjklmnprstvz"
VOWELS = "aeiou"
ATTRIBUTES = (
    "pet", "city", "car", "job", "boat", "song", "book", "tree", "game", "food", "drink", "sport",
    "friend", "boss", "hero", "team", "club", "shop", "horse", "river", "street", "colour",
    "school", "doctor",
)  # fmt: skip
CHATTER = (
    "{name} said hello.",
    "{name} met {other}.",
    "{name} laughed with {other}.",
    "It was a long day for {name}.",
    "{name} went home.",
    "{name} thanked {other}.",
)
_SMALL_TALK = re.compile(
    "|".join(
        re.escape(line).replace(r"\{name\}", r"\w+").replace(r"\{other\}", r"\w+")
        for line in CHATTER
    )
)
Split = Literal["train", "heldout"]

_RETRACTION = re.compile(r"The (\w+) of (.+?) is gone\.?", re.DOTALL)
_FACT = re.compile(r"The (\w+) of (.+?) is (?!gone\b)(.+)", re.DOTALL)
"""Both are matched with stripped texts and end without a pattern of spaces: one that may give back what another takes
costs the square of a text's length."""


@dataclass(frozen=True)
class Fact:
    """One thing that can be known: `entity`'s `attribute` is `value`."""

    entity: str
    attribute: str
    value: str

    @property
    def sentence(self) -> str:
        """The fact as it is said and as it is remembered."""
        return f"The {self.attribute} of {self.entity} is {self.value}."

    @property
    def question(self) -> str:
        """The question that this fact answers."""
        return f"What is the {self.attribute} of {self.entity}?"

    @property
    def retraction(self) -> str:
        """The sentence that takes the fact back."""
        return f"The {self.attribute} of {self.entity} is gone."

    @property
    def wordings(self) -> tuple[str, ...]:
        """Every sentence that states the fact; here there is one."""
        return (self.sentence,)

    @property
    def answers(self) -> tuple[str, ...]:
        """What answers the question: the value, or a sentence that states the fact."""
        return (self.value, *self.wordings)

    def evidence(self, observation: int) -> Evidence:
        """The fact as something that must be remembered, told in an observation; every wording of it counts."""
        also = tuple(said for said in self.wordings if said != self.sentence)
        return Evidence(text=self.sentence, observation=observation, also=also)

    @property
    def key(self) -> tuple[str, str]:
        """What the fact is about; two facts with one key contradict each other."""
        return self.entity, self.attribute


def parse_fact(sentence: str) -> Fact | None:
    """The fact that a sentence states, or None where it states none."""
    found = _FACT.fullmatch(sentence.strip())
    if not found:
        return None
    value = found[3]
    return Fact(found[2], found[1], value[:-1] if value[-1] == "." and value != "." else value)


def is_small_talk(sentence: str) -> bool:
    """Whether a sentence is one of the language's chatter or takes a fact back: nothing to add."""
    told = sentence.strip()
    return bool(_SMALL_TALK.fullmatch(told) or parse_retraction(told))


def parse_question(question: str) -> tuple[str, str] | None:
    """The key of the fact that a question asks for, or None where it has not the form of `Fact.question`."""
    found = re.fullmatch(r"What is the (\w+) of (.+)\?", question.strip())
    return (found[2], found[1]) if found else None


def parse_retraction(sentence: str) -> tuple[str, str] | None:
    """The key of the fact that a sentence takes back, or None where it takes none back."""
    found = _RETRACTION.fullmatch(sentence.strip())
    return (found[2], found[1]) if found else None


def split_of(name: str) -> Split:
    """Which side of the fixed division a name is on; one name in five is held out."""
    return "heldout" if zlib.crc32(name.encode()) % 5 == 0 else "train"


class Speaker:
    """Draws names, facts and chatter of one split from a seeded generator; no name comes twice."""

    def __init__(self, rng: random.Random, split: Split = "train") -> None:
        self.rng = rng
        self.split = split
        self._used: set[str] = set()

    def name(self) -> str:
        """A name this speaker has not used yet: two syllables, three in one of four."""
        while True:
            count = 3 if self.rng.random() < 0.25 else 2
            syllables = (
                self.rng.choice(CONSONANTS) + self.rng.choice(VOWELS) for _ in range(count)
            )
            name = "".join(syllables).capitalize()
            if name not in self._used and split_of(name) == self.split:
                self._used.add(name)
                return name

    def facts(self, count: int, near: float = 0.5) -> list[Fact]:
        """`count` facts with distinct keys. With probability `near` a fact is a near distractor: it
        shares its entity or its attribute (but never both) with an earlier one."""
        facts: list[Fact] = []
        keys: set[tuple[str, str]] = set()
        while len(facts) < count:
            entity, attribute = None, self.rng.choice(ATTRIBUTES)
            if facts and self.rng.random() < near:
                other = self.rng.choice(facts)
                if self.rng.random() < 0.5:
                    entity = other.entity
                else:
                    attribute = other.attribute
            fact = Fact(entity or self.name(), attribute, self.name())
            if fact.key not in keys:
                keys.add(fact.key)
                facts.append(fact)
        return facts

    def change(self, fact: Fact) -> Fact:
        """The same thing of the same entity with another value."""
        return Fact(fact.entity, fact.attribute, self.name())

    def chatter(self) -> str:
        """A sentence that states no fact."""
        return self.rng.choice(CHATTER).format(name=self.name(), other=self.name())
