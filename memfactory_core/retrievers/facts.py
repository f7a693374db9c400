"""Facts about a question and each of its candidates, as numbers that the linear reranker weighs: what the memory
itself tells, and what the talk around it tells, for "It was Bako." is understood from the lines before it.

Those that look for words of time or for a speaker before a colon know English and dialogues; elsewhere they are 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from memfactory_core.embedders import Embedder
from memfactory_core.episode import Context
from memfactory_core.retrievers.bm25 import BM25, terms, word_index
from memfactory_core.retrievers.dense import vector_index
from memfactory_core.text import words
from memfactory_core.types import Hit

FEATURES = (
    "words", "before", "after", "near", "length", "asks", "speaker", "covered",
)  # fmt: skip
"""BM25 of the memory, the one before and the one after it, as parts of the best; the plain cosine;
the logarithm of its length; whether it asks; whether the question names its speaker; the share of
the question's words in it."""
AROUND = (
    "two before", "two after", "near before", "near after", "near two before", "near two after", "told",
    "other", "time", "when",
)  # fmt: skip
"""BM25 of the memory two places before and after it; the cosines of the four around it; the share of the question's
words in it and the two before it, each weighed by how rare it is; whether the question names another speaker only;
whether it has a word of time; whether it has one and the question asks when."""
REACH = 2
"""How many places before and after a memory are looked at."""
_SPEAKER = re.compile(r"^(?:\[[^\]\n]*\]\s*)?([^:\n]{1,40}):")
_HEAD = re.compile(r"^(?:\[[^\]\n]*\]\s*)?(?:[^:\n]{1,40}:)?")
"""The date and the speaker before what was said."""
_PICTURE = re.compile(r"\[picture:[^\]]*\]?")
_ASKS_WHEN = re.compile(
    r"\s*(?:when|how long|(?:in )?(?:what|which) (?:year|month|date|day|time))\b", re.I
)
_TIME = re.compile(
    r"\b(?:yesterday|today|tonight|tomorrow|last|next|ago|week|weekend|month|years?|morning|night|recently|since"
    r"|monday|tuesday|wednesday|thursday|friday|saturday|sunday|january|february|march|april|may|june|july|august"
    r"|september|october|november|december|soon|just|when|first|(?:19|20)\d\d)\b",
    re.I,
)  # fmt: skip


def measure_facts(
    query: str, hits: Sequence[Hit], context: Context, near: np.ndarray, around: Embedder | None
) -> np.ndarray:
    """The facts about a question and its K candidates, float, (K, len(FEATURES)), or with those of `AROUND` behind
    them where `around` is the embedder by which the memories around are compared. `near` (K,) are the candidates'
    cosines."""
    bank = context.bank.all()
    place = {memory.id: index for index, memory in enumerate(bank)}
    at = np.array([place[hit.memory.id] for hit in hits])
    scores = BM25().scores(query, context.bank)
    by_words = _around(scores / max(scores.max(), 1e-9), at)
    asked, telling = set(words(query)), set(terms(query))
    own = [_own(hit.memory.text, asked, telling) for hit in hits]
    columns = [by_words[:, [2, 1, 3]], near[:, None], np.array(own, dtype=float)]
    if around is not None:
        index = vector_index(context.bank, around)
        by_vectors = _around(index.in_order(index.scores(query)), at)
        columns += [
            by_words[:, [0, 4]],
            by_vectors[:, [1, 3, 0, 4]],
            _of_the_talk(query, at, context, asked),
        ]
    return np.column_stack(columns)


def _around(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The values of the memories two before to two after each place, (K, 5); 0 where there is none."""
    padded = np.pad(values, REACH)
    return np.column_stack([padded[at + offset] for offset in range(2 * REACH + 1)])


def _own(text: str, asked: set[str], telling: set[str]) -> tuple[float, ...]:
    speaker = _speaker(text)
    return (
        np.log(max(len(text), 1)) - 4.5,
        "?" in text,
        speaker is not None and speaker <= asked,
        len(telling & set(terms(text))) / max(1, len(telling)),
    )


def _of_the_talk(query: str, at: np.ndarray, context: Context, asked: set[str]) -> np.ndarray:
    """The last four of `AROUND`, (K, 4)."""
    texts = [memory.text for memory in context.bank.all()]
    index = word_index(context.bank)
    rarity = {term: index.rarity(term) for term in terms(query)}
    whole = max(sum(rarity.values()), 1e-9)
    named = any(_is_named(_speaker(text), asked) for text in texts)
    asks_when = _ASKS_WHEN.match(query) is not None
    rows = []
    for place in at:
        said = set().union(*(terms(text) for text in texts[max(0, place - REACH) : place + 1]))
        text = texts[place]
        timed = _TIME.search(_PICTURE.sub("", _HEAD.sub("", text))) is not None
        rows.append(
            (
                sum(rarity[term] for term in rarity.keys() & said) / whole,
                named and _speaker(text) is not None and not _is_named(_speaker(text), asked),
                timed,
                timed and asks_when,
            )
        )
    return np.array(rows, dtype=float)


@lru_cache(maxsize=50_000)
def _speaker(text: str) -> frozenset[str] | None:
    """The words of the name before the first colon."""
    found = _SPEAKER.match(text)
    return frozenset(words(found[1])) if found else None


def _is_named(speaker: frozenset[str] | None, asked: set[str]) -> bool:
    return speaker is not None and bool(speaker) and speaker <= asked
