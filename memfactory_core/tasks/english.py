"""The synthetic tasks in plain English: people with ordinary names, ten things that can be true of each, several
wordings of every statement, question and retraction. A fifth of the names and of each attribute's values, and some
wordings of everything, are held out: training never sees them.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, NamedTuple

from memfactory_core.tasks.language import Fact, Split, split_of

NAME = "[A-Z][a-z]+(?: [A-Z][a-z]+)?"
LONGEST = 200
"""Characters of the longest sentence that is read as one of this language."""
Wording = Literal["split", "known", "new"]
"""Which wordings are used: those of the split (known ones in training, new ones where it is held out), or one kind."""


class Attribute(NamedTuple):
    """One thing that can be true of a person. `{n}` is the name, `{v}` the value; the last wording of each list is
    new: it is held out."""

    values: tuple[str, ...]
    statements: tuple[str, ...]
    questions: tuple[str, ...]
    retractions: tuple[str, ...]


def _values(line: str) -> tuple[str, ...]:
    return tuple(word.replace("_", " ") for word in line.split())


ATTRIBUTES = {
    "city": Attribute(
        _values(
            "Lisbon Oslo Madrid Vienna Dublin Prague Athens Warsaw Berlin Rome Paris London Boston Chicago Denver "
            "Seattle Toronto Sydney Tokyo Cairo Lima Havana Geneva Milan Naples Venice Zurich Munich Hamburg "
            "Krakow"
        ),
        ("{n} lives in {v}.", "{n}'s home is in {v}.", "{n} has a flat in {v}.",
         "The house where {n} lives is in {v}."),
        ("Where does {n} live?", "In which city does {n} live?", "Which city is {n}'s home?"),
        ("{n} has no home anymore.", "{n} no longer has a place to live."),
    ),
    "pet": Attribute(
        _values(
            "cat dog rabbit parrot turtle hamster lizard ferret canary goldfish pony snake frog mouse hedgehog "
            "spider donkey goat duck pigeon chicken gecko squirrel falcon"
        ),
        ("{n} has a pet {v}.", "{n}'s pet is a {v}.", "{n} keeps a {v} as a pet.", "The pet that {n} owns is a {v}."),
        ("What pet does {n} have?", "Which animal is {n}'s pet?", "What kind of animal does {n} keep as a pet?"),
        ("{n} has no pet anymore.", "{n} no longer keeps a pet."),
    ),
    "job": Attribute(
        _values(
            "baker teacher nurse pilot farmer lawyer painter dentist plumber waiter barber chef tailor butcher "
            "sailor doctor gardener carpenter florist cashier librarian miner soldier singer dancer writer judge "
            "fisherman"
        ),
        ("{n} works as a {v}.", "{n} is a {v} by profession.", "{n} has a job as a {v}.",
         "{n} makes a living as a {v}."),
        ("What is {n}'s job?", "What does {n} work as?", "What is {n} by profession?"),
        ("{n} has no job anymore.", "{n} no longer works."),
    ),
    "drink": Attribute(
        _values(
            "tea coffee cocoa lemonade milk cider juice water beer wine soda rum whisky gin mead punch vodka "
            "sherry brandy buttermilk"
        ),
        ("{n} likes to drink {v}.", "{n}'s favourite drink is {v}.", "{n} always drinks {v}.",
         "When thirsty, {n} asks for {v}."),
        ("What does {n} like to drink?", "What is {n}'s favourite drink?", "What does {n} always drink?"),
        ("{n} has no favourite drink anymore.", "{n} no longer cares what to drink."),
    ),
    "car": Attribute(
        _values(
            "red blue green yellow black white silver brown purple orange pink golden grey beige turquoise "
            "crimson maroon violet bronze navy"
        ),
        ("{n} drives a {v} car.", "{n}'s car is {v}.", "The car that {n} drives is {v}.", "{n} owns a {v} car."),
        ("What colour is {n}'s car?", "In what colour is {n}'s car?", "Which colour does {n}'s car have?"),
        ("{n} has no car anymore.", "{n} no longer drives a car."),
    ),
    "instrument": Attribute(
        _values(
            "piano violin flute guitar harp cello trumpet banjo saxophone clarinet tuba ukulele accordion "
            "harmonica mandolin trombone lute fiddle bassoon bagpipe"
        ),
        ("{n} plays the {v}.", "{n}'s instrument is the {v}.", "The instrument that {n} plays is the {v}.",
         "{n} makes music on the {v}."),
        ("Which instrument does {n} play?", "What is {n}'s instrument?", "What instrument does {n} make music on?"),
        ("{n} plays no instrument anymore.", "{n} no longer plays an instrument."),
    ),
    "sport": Attribute(
        _values(
            "tennis golf chess hockey football baseball rugby cricket boxing fencing judo karate rowing sailing "
            "skiing swimming volleyball basketball badminton bowling squash polo handball wrestling"
        ),
        ("{n}'s sport is {v}.", "The sport that {n} does is {v}.", "{n}'s favourite sport is {v}.",
         "For sport, {n} goes in for {v}."),
        ("What is {n}'s sport?", "Which sport does {n} do?", "What sport does {n} go in for?"),
        ("{n} does no sport anymore.", "{n} no longer does any sport."),
    ),
    "language": Attribute(
        _values(
            "Spanish French German Italian Danish Dutch Greek Polish Czech Turkish Arabic Chinese Japanese Korean "
            "Hindi Latin Russian Swedish Finnish Norwegian Portuguese Hungarian Irish Welsh"
        ),
        ("{n} is learning {v}.", "The language that {n} is learning is {v}.", "{n} takes lessons in {v}.",
         "{n} studies {v} in the evenings."),
        ("Which language is {n} learning?", "What language is {n} learning?", "Which language does {n} study?"),
        ("{n} is learning no language anymore.", "{n} no longer studies a language."),
    ),
    "food": Attribute(
        _values(
            "pizza soup rice pasta salad bread cheese fish chicken curry sushi pancakes noodles potatoes beans "
            "cake chocolate apples cherries mushrooms tomatoes steak omelette waffles"
        ),
        ("{n}'s favourite food is {v}.", "{n} loves to eat {v}.", "The food that {n} likes best is {v}.",
         "Nothing tastes better to {n} than {v}."),
        ("What is {n}'s favourite food?", "What does {n} love to eat?", "Which food does {n} like best?"),
        ("{n} has no favourite food anymore.", "{n} no longer has a food that stands out."),
    ),
    "trip": Attribute(
        _values(
            "Spain France Italy Norway Greece Egypt Peru Brazil Kenya India China Japan Canada Mexico Iceland "
            "Ireland Portugal Poland Sweden Finland Turkey Morocco Cuba Chile Nepal Vietnam"
        ),
        ("{n} is going on a trip to {v}.", "{n}'s next trip is to {v}.", "{n} has booked a journey to {v}.",
         "{n} will travel to {v} next month."),
        ("Where is {n} going on a trip?", "What country is {n}'s next trip to?", "Which country will {n} travel to?"),
        ("{n} is going on no trip anymore.", "{n} no longer plans to travel."),
    ),
}  # fmt: skip
NAMES = _values(
    "Adam Agnes Alan Alice Amanda Amy Andrew Anna Arthur Barbara Ben Betty Brian Carl Carol Catherine "
    "Charles Clara Craig Daisy Daniel David Deborah Diana Donald Dora Doris Douglas Edgar Edith Edward "
    "Eleanor Ellen Emily Emma Eric Ernest Esther Eva Felix Fiona Flora Frances Frank Fred Gary Gavin "
    "George Gerald Gloria Gordon Grace Graham Greta Hannah Harold Harriet Harry Hazel Heather Helen Henry "
    "Herbert Howard Hugh Ian Ida Irene Isaac Ivy Jack Jacob James Jane Janet Jason Jean Jenny Jessica "
    "Joan Joel John Joseph Joyce Judith Julia Karen Karl Keith Kevin Laura Lawrence Leah Leo Leonard "
    "Lewis Lillian Linda Lisa Louis Louise Lucas Lucy Luke Lydia Mabel Marcus Margaret Maria Marion Mark "
    "Martha Martin Mary Matthew Maurice Max Megan Michael Mildred Miriam Molly Monica Nancy Naomi Natalie "
    "Nathan Neil Nicholas Nigel Nina Noah Nora Norman Oliver Olivia Oscar Owen Pamela Patrick Paul Paula "
    "Pauline Peter Philip Phoebe Rachel Ralph Raymond Rebecca Richard Robert Robin Roger Roland Ronald "
    "Rosa Rose Roy Ruby Russell Ruth Sally Samuel Sandra Sarah Sharon Sheila Simon Sophia Stella Stephen "
    "Susan Sylvia Teresa Theodore Thomas Timothy Toby Tracy Valerie Vera Victor Vincent Violet Virginia "
    "Walter Wanda Wendy William Winifred Yvonne Zoe"
)
CHATTER = (
    "{n} said hello to {m}.",
    "{n} met {m} in the park.",
    "It was a long day for {n}.",
    "{n} laughed with {m} about the weather.",
    "{n} went home early.",
    "{n} and {m} waited for the bus.",
)


@dataclass(frozen=True)
class EnglishFact(Fact):
    """A fact with the wordings in which it is stated, asked for and taken back."""

    stated: int = 0
    asked: int = 0
    ended: int = 0

    @property
    def sentence(self) -> str:
        """The fact as it is stated here."""
        return self._say("statements", self.stated)

    @property
    def question(self) -> str:
        """The question that this fact answers."""
        return self._say("questions", self.asked)

    @property
    def retraction(self) -> str:
        """The sentence that takes the fact back."""
        return self._say("retractions", self.ended)

    @property
    def wordings(self) -> tuple[str, ...]:
        """Every sentence that states the fact."""
        count = len(ATTRIBUTES[self.attribute].statements)
        return tuple(self._say("statements", number) for number in range(count))

    def with_value(self, value: str) -> Fact:
        """The same thing with another value."""
        return replace(self, value=value)

    def _say(self, what: Literal["statements", "questions", "retractions"], number: int) -> str:
        wording = getattr(ATTRIBUTES[self.attribute], what)[number]
        return wording.format(n=self.entity, v=self.value)


class EnglishSpeaker:
    """Draws names, facts and chatter of one split from a seeded generator."""

    def __init__(
        self, rng: random.Random, split: Split = "train", wording: Wording = "split"
    ) -> None:
        self.rng = rng
        self.split = split
        self.new = split == "heldout" if wording == "split" else wording == "new"
        self._fresh = self._names()

    def name(self) -> str:
        """A name this speaker has not used yet; once all first names are used, a first and a last one."""
        return next(self._fresh)

    def facts(self, count: int, near: float = 0.5) -> list[Fact]:
        """`count` facts with distinct keys. With probability `near` a fact is a near distractor: it shares its
        person or its attribute (but never both) with an earlier one."""
        facts: list[Fact] = []
        keys: set[tuple[str, str]] = set()
        while len(facts) < count:
            entity, attribute = None, self.rng.choice(tuple(ATTRIBUTES))
            if facts and self.rng.random() < near:
                other = self.rng.choice(facts)
                if self.rng.random() < 0.5:
                    entity = other.entity
                else:
                    attribute = other.attribute
            if entity is not None and (entity, attribute) in keys:
                continue
            fact = self._fact(entity or self.name(), attribute)
            keys.add(fact.key)
            facts.append(fact)
        return facts

    def change(self, fact: Fact) -> Fact:
        """The same thing of the same person with another value, in any wording."""
        values = [value for value in self._values(fact.attribute) if value != fact.value]
        return self._fact(fact.entity, fact.attribute, self.rng.choice(values))

    def chatter(self) -> str:
        """A sentence that states no fact."""
        return self.rng.choice(CHATTER).format(n=self.name(), m=self.name())

    def _fact(self, entity: str, attribute: str, value: str = "") -> Fact:
        return EnglishFact(
            entity, attribute, value or self.rng.choice(self._values(attribute)),
            *(self._wording(said) for said in ATTRIBUTES[attribute][1:]),
        )  # fmt: skip

    def _values(self, attribute: str) -> tuple[str, ...]:
        return values_of(attribute, self.split)

    def _wording(self, said: Sequence[str]) -> int:
        return len(said) - 1 if self.new else self.rng.randrange(len(said) - 1)

    def _names(self) -> Iterator[str]:
        first = [name for name in NAMES if split_of(name) == self.split]
        self.rng.shuffle(first)
        yield from first
        for last in first:
            for name in first:
                if name != last:
                    yield f"{name} {last}"
        raise ValueError(f"an example has names for {len(first) ** 2} people at most")


@cache
def values_of(attribute: str, split: Split) -> tuple[str, ...]:
    """The values of an attribute on one side of the fixed division; a fifth of each list is held out."""
    values = sorted(ATTRIBUTES[attribute].values, key=lambda value: zlib.crc32(value.encode()))
    held_out = len(values) // 5
    return tuple(values[:held_out] if split == "heldout" else values[held_out:])


def parse_english(sentence: str) -> Fact | None:
    """The fact that a sentence states in one of the wordings; None where it states none."""
    if found := _read("statements", sentence):
        attribute, number, said = found
        return EnglishFact(said["n"], attribute, said["v"], stated=number)
    return None


def parse_english_retraction(sentence: str) -> tuple[str, str] | None:
    """The key of the fact that a sentence takes back; None where it takes none back."""
    found = _read("retractions", sentence)
    return (found[2]["n"], found[0]) if found else None


def parse_english_question(question: str) -> tuple[str, str] | None:
    """The key of the fact that a question asks for; None where it asks for none."""
    found = _read("questions", question)
    return (found[2]["n"], found[0]) if found else None


def is_english_chatter(sentence: str) -> bool:
    """Whether a sentence states nothing, in one of the known wordings."""
    told = sentence.strip()
    return len(told) <= LONGEST and any(pattern.fullmatch(told) for pattern in _chatter())


def _read(what: str, sentence: str) -> tuple[str, int, dict[str, Any]] | None:
    told = sentence.strip()
    # no wording is longer; a text from outside may be
    if len(told) > LONGEST or not told:
        return None
    told = told if told[-1] in ".?" else f"{told}."
    for attribute, number, pattern in _patterns(what):
        if found := pattern.fullmatch(told):
            return attribute, number, found.groupdict()
    return None


@cache
def _patterns(what: str) -> list[tuple[str, int, re.Pattern[str]]]:
    found = []
    for attribute, about in ATTRIBUTES.items():
        values = "|".join(map(re.escape, about.values))
        for number, wording in enumerate(getattr(about, what)):
            pattern = re.escape(wording).replace(r"\{n\}", f"(?P<n>{NAME})")
            found.append(
                (attribute, number, re.compile(pattern.replace(r"\{v\}", f"(?P<v>{values})")))
            )
    return found


@cache
def _chatter() -> list[re.Pattern[str]]:
    return [
        re.compile(re.escape(line).replace(r"\{n\}", NAME).replace(r"\{m\}", NAME))
        for line in CHATTER
    ]
