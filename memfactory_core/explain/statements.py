"""What sentences state of each other: another value of the same thing, or something that nothing read has stated.

In the small language of tasks/language this is exact. Elsewhere it is judged by words: strictly, for a memory may
reword what it keeps, and a rewording is neither another value nor invented."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from memfactory_core.policies.contradiction import same_subject
from memfactory_core.tasks.english import EnglishFact
from memfactory_core.tasks.language import Fact
from memfactory_core.tasks.sentences import split_sentences
from memfactory_core.tasks.spoken import is_made_up, known_fact, read_retraction
from memfactory_core.text import telling, words
from memfactory_core.trace import holds, words_line
from memfactory_core.types import Evidence

_ENDED = frozenset(
    "gone longer anymore not no never stopped forget cancelled canceled ended former without".split()
)
"""Words by which a sentence takes something back, outside the small language."""


@lru_cache(maxsize=8192)
def sentences(text: str) -> tuple[str, ...]:
    """The sentences of a text; each text is cut once."""
    return tuple(split_sentences(text))


@lru_cache(maxsize=16384)
def fact_of(sentence: str) -> Fact | None:
    """The fact that a sentence of one of the synthetic tasks' languages states; None elsewhere."""
    return known_fact(sentence)


@lru_cache(maxsize=8192)
def in_small_language(text: str) -> bool:
    """Whether every sentence of a text is of the synthetic tasks' languages."""
    return all(map(is_made_up, sentences(text)))


def says_otherwise(sentence: str, fact: str, value: frozenset[str], known: frozenset[str]) -> bool:
    """Whether a sentence keeps what a fact is about and gives it another value. `value` holds the telling words of
    the right answer, `known` those of everything that could be read: a new word is a value that nobody gave."""
    one, other = fact_of(sentence), fact_of(fact)
    if one and other:
        return one.key == other.key and words(one.value) != words(other.value)
    if same_subject(sentence, fact):
        return True
    subject, said = telling(fact) - value, telling(sentence)
    # A subject of one word is too little: "Ann ..." says something of Ann, not another value of the same thing.
    return len(subject) > 1 and subject <= said and not value <= said and bool(said - known)


def rivals(sentence: str, said: frozenset[str], fact: str, value: frozenset[str]) -> bool:
    """Whether a sentence says of the wrong answer what a fact says of the right one: both are alike but for `said`
    and `value`, the telling words of the two answers."""
    one, other = fact_of(sentence), fact_of(fact)
    if one and other:
        return one.key == other.key
    if same_subject(sentence, fact):
        return True
    first, second = telling(sentence) - said, telling(fact) - value
    return len(first & second) > 1 and len(first & second) >= 0.75 * len(first | second)


def takes_back(sentence: str, kept: str, said: frozenset[str]) -> bool:
    """Whether a sentence takes back what the sentence `kept` states; `said` are the telling words of the value."""
    fact, taken = fact_of(kept), read_retraction(sentence)
    # English has more ways to take something back than the tasks use
    if fact and (taken or not isinstance(fact, EnglishFact)):
        return taken == fact.key
    subject = telling(kept) - said
    ends = bool(_ENDED & set(words(sentence))) or "n't" in sentence or "n’t" in sentence
    return len(subject) > 1 and ends and subject <= telling(sentence) | {"no"}


def is_stated(sentence: str, sources: Iterable[str]) -> bool:
    """Whether one of the sources holds a sentence's words, in order and without a gap."""
    item = Evidence(text=sentence)
    return any(holds(source, item) for source in sources)


def _is_told(fact: Fact, sources: Iterable[str]) -> bool:
    """Whether a source states a fact, in whatever wording."""
    told = (fact_of(sentence) for source in sources for sentence in sentences(source))
    return any(
        other and other.key == fact.key and words(other.value) == words(fact.value)
        for other in told
    )


def untold(text: str, sources: Sequence[str], question: str = "") -> tuple[str, ...]:
    """The sentences of a text that no source states. In the small language: every fact that stands in none of them.
    Elsewhere a rewording must pass: only sentences of which more than half the telling words, and at least two,
    stand neither in a source nor in the question."""
    if is_stated(text, sources) or not words_line(text):
        return ()
    exact = all(map(in_small_language, sources))
    found = []
    known: frozenset[str] | None = None
    for sentence in sentences(text):
        if is_stated(sentence, sources):
            continue
        fact = fact_of(sentence)
        if exact and fact:
            if not _is_told(fact, sources):
                found.append(sentence)
            continue
        if known is None:
            known = telling(question).union(*map(telling, sources))
        said = telling(sentence)
        new = said - known
        if len(new) > 1 and 2 * len(new) > len(said):
            found.append(sentence)
    return tuple(found)
