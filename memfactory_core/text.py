"""Words of a text: SQuAD's answer normalisation and whole-word containment, used by every
measure."""

from __future__ import annotations

import re
import string

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_WORD = re.compile(r"\w+")
STOP_WORDS = frozenset(
    "a an and are as at be been by did do does for from had has have he her his how i in is it its "
    "of on or she that the their they this to was were what when where which who whom whose why "
    "will with would you".split()
)
_ENDINGS = (("ies", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", ""))


def normalize_answer(text: str) -> str:
    """SQuAD's normalisation: lower case, no punctuation, no articles, single spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def words(text: str) -> list[str]:
    """The words of a text in lower case, punctuation dropped."""
    return _WORD.findall(text.lower())


def contains_words(text: str, part: str) -> bool:
    """Whether the words of `part` stand in `text` one after the other. An empty part is not
    contained."""
    needle = " ".join(words(part))
    return bool(needle) and f" {needle} " in f" {' '.join(words(text))} "


def stem(word: str) -> str:
    """A word without its commonest English endings (`hiking`, `hikes`, `hiked` -> `hik`)."""
    for ending, kept in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)] + kept
            break
    if len(word) > 3 and word[-1] == "e":
        word = word[:-1]
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "ls":
        word = word[:-1]
    return word[:-1] + "i" if len(word) > 3 and word[-1] == "y" else word
