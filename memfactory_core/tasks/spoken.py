"""What the synthetic tasks have in common: the language in which their facts are said, and reading it back."""

from __future__ import annotations

import random
from typing import Literal

from memfactory_core.tasks import Task
from memfactory_core.tasks.english import (
    EnglishSpeaker,
    Wording,
    is_english_chatter,
    parse_english,
    parse_english_question,
    parse_english_retraction,
)
from memfactory_core.tasks.language import (
    ATTRIBUTES,
    Fact,
    Speaker,
    Split,
    is_small_talk,
    parse_fact,
    parse_question,
    parse_retraction,
)

NAME_WORDS = 2
"""Words of a name in the invented language, as its agents have met them: "Dr Bako", "New Rilo"."""
AnySpeaker = Speaker | EnglishSpeaker


class Spoken(Task):
    """A task whose facts are made up and said in a language of its own."""

    language: Literal["invented", "english"] = "invented"
    """Facts about invented names in one plain wording (`The pet of Bako is Zimo.`), which the tiny policy speaks, or
    in ordinary English about people with ordinary names in several wordings, for real language models."""
    wording: Wording = "split"
    """In English: which wordings are used. "split" takes known ones in training and new ones where names are held
    out; "known" and "new" take one kind everywhere."""

    @property
    def sayings(self) -> tuple[str, ...]:
        """A fact, the question that it answers, how it is taken back, and chatter."""
        speaker = self.speaker(random.Random("sayings"), "train")
        (fact,) = speaker.facts(1)
        return fact.sentence, fact.question, fact.retraction, speaker.chatter()

    def hear(self, sentence: str) -> str | None:
        """A sentence of this task's language, a missing full stop added; None where it is none."""
        said = sentence.strip()
        said = said if said[-1:] in (".", "?") else f"{said}."
        return said if _is_of(self.language, said) else None

    def speaker(self, rng: random.Random, split: Split) -> AnySpeaker:
        """Who draws the facts of one example."""
        if self.language == "english":
            return EnglishSpeaker(rng, split, self.wording)
        return Speaker(rng, split)


def _is_of(language: str, said: str) -> bool:
    if language == "english":
        readers = parse_english, parse_english_question, parse_english_retraction
        return is_english_chatter(said) or any(read(said) is not None for read in readers)
    if is_small_talk(said) and not parse_retraction(said):
        return True
    fact = parse_fact(said)
    names = [fact.entity, fact.value] if fact else [key[0] for key in _keys(said)]
    # a name is a word or two: what is longer is another language in the clothes of this one
    return bool(names) and all(len(name.split()) <= NAME_WORDS for name in names)


def _keys(said: str) -> list[tuple[str, str]]:
    return [key for key in (parse_retraction(said), parse_question(said)) if key]


def read_fact(sentence: str) -> Fact | None:
    """The fact that a sentence states in one of the languages, or None where it states none."""
    return parse_fact(sentence) or parse_english(sentence)


def read_retraction(sentence: str) -> tuple[str, str] | None:
    """The key of the fact that a sentence takes back in one of the languages, or None where it takes none back."""
    return parse_retraction(sentence) or parse_english_retraction(sentence)


def read_question(question: str) -> tuple[str, str] | None:
    """The key of the fact that a question asks for in one of the languages, or None where it asks for none."""
    return parse_question(question) or parse_english_question(question)


def states_nothing(sentence: str) -> bool:
    """Whether a sentence is one of the languages' chatter or takes a fact back: nothing to add."""
    return (
        is_small_talk(sentence)
        or is_english_chatter(sentence)
        or parse_english_retraction(sentence) is not None
    )


def is_made_up(sentence: str) -> bool:
    """Whether a sentence is of one of the languages: a fact, a retraction or chatter."""
    return states_nothing(sentence) or known_fact(sentence) is not None


def known_fact(sentence: str) -> Fact | None:
    """As `read_fact`, and only of an attribute that the languages have."""
    fact = parse_fact(sentence)
    return fact if fact and fact.attribute in ATTRIBUTES else parse_english(sentence)
