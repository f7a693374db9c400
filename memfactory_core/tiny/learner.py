"""Who speaks in the lessons of the tiny policy: a speaker of the small language who also uses a person's own words."""

from __future__ import annotations

import random
import string

from memfactory_core.tasks.language import ATTRIBUTES, CONSONANTS, Fact, Speaker, Split, split_of

FREE = 0.06
"""Share of names that are a person's own words: spelled letter by letter, they are slow to learn."""


class Learner(Speaker):
    """A speaker who also uses a person's own words: `free` of the names are arbitrary letters or
    digits, and half as many of the attributes arbitrary lower-case words."""

    def __init__(
        self, rng: random.Random, split: Split = "train", free: float | None = None
    ) -> None:
        super().__init__(rng, split)
        self.free = FREE if free is None else free

    def name(self) -> str:
        """A syllable name or, at the rate `free`, any word."""
        if self.rng.random() >= self.free:
            return super().name()
        while True:
            name = free_name(self.rng)
            if name not in self._used and split_of(name) == self.split:
                self._used.add(name)
                return name

    def facts(self, count: int, near: float = 0.5) -> list[Fact]:
        """Facts as `Speaker.facts` draws them, some attributes replaced everywhere by a free
        word."""
        facts = super().facts(count, near)
        taken = set(ATTRIBUTES)
        own = {}
        for attribute in dict.fromkeys(fact.attribute for fact in facts):
            word = attribute
            if self.rng.random() < self.free / 2:
                while word in taken:
                    word = free_word(self.rng)
            taken.add(word)
            own[attribute] = word
        return [Fact(fact.entity, own[fact.attribute], fact.value) for fact in facts]


def free_word(rng: random.Random) -> str:
    """A lower-case word of 3 to 9 letters: any letters, or clusters that alternate as in
    English."""
    length = rng.randint(3, 9)
    if rng.random() < 0.4:
        return "".join(rng.choices(string.ascii_lowercase, k=length))
    word, vowel = "", rng.random() < 0.3
    while len(word) < length:
        letters = "aeiouy" if vowel else CONSONANTS + "cqwx"
        word += "".join(rng.choices(letters, k=rng.choice((1, 1, 2))))
        vowel = not vowel
    return word[:length]


def free_name(rng: random.Random) -> str:
    """A capitalised word, a number, a title and a word, or two words."""
    kind = rng.random()
    if kind < 0.1:
        return "".join(rng.choices(string.digits, k=rng.randint(1, 4)))
    if kind < 0.15:
        return free_word(rng)
    word = free_word(rng).capitalize()
    if kind < 0.25:
        return f"{rng.choice(('Mr', 'Mrs', 'Dr', 'New', 'San'))} {word[:6]}"
    return word


def absent_question(rng: random.Random, speaker: Speaker, facts: list[Fact]) -> str:
    """A question that none of the facts answers, often about an entity or an attribute that they
    name."""
    keys = {fact.key for fact in facts}
    while True:
        entity, attribute = speaker.name(), rng.choice(ATTRIBUTES)
        if facts:
            chance = rng.random()
            if chance < 0.75:
                entity = rng.choice(facts).entity
            if chance > 0.4:
                attribute = rng.choice(facts).attribute
        if (entity, attribute) not in keys:
            return Fact(entity, attribute, "").question


def near_miss(rng: random.Random, speaker: Speaker, facts: list[Fact]) -> Fact:
    """A fact about none of these that has the person or the attribute of one of them."""
    keys = {fact.key for fact in facts}
    while True:
        near, new = rng.choice(facts), speaker.facts(1)[0]
        key = (near.entity, new.attribute) if rng.random() < 0.5 else (new.entity, near.attribute)
        if key not in keys:
            return Fact(*key, new.value)
