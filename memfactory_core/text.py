"""Words of a text: SQuAD's answer normalisation, in every language, and whole-word containment, used by every
measure."""

from __future__ import annotations

import re
import unicodedata

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_WORD = re.compile(r"\w+")
STOP_WORDS = frozenset(
    "a an and are as at be been by did do does for from had has have he her his how i in is it its "
    "of on or she that the their they this to was were what when where which who whom whose why "
    "will with would you".split()
)
_ENDINGS = (("ies", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", ""))
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
"""Thai, Lao, Burmese, Khmer, kana and Han: scripts that put no spaces between words."""


class _Dropped(dict[int, int | None]):
    """A table for `str.translate` that drops the characters of some Unicode categories."""

    def __init__(self, *categories: str, more: str = "") -> None:
        self.categories = categories
        super().__init__((ord(character), None) for character in more)

    def __missing__(self, code: int) -> int | None:
        dropped = unicodedata.category(chr(code)).startswith(self.categories)
        self[code] = None if dropped else code
        return self[code]


_VARIANTS = "".join(map(chr, range(0xFE00, 0xFE10)))
# spacing accents would become a space and a mark that stands alone, TM two letters
_INVISIBLE = _Dropped("Cf", "Sk", "Cs", more=_VARIANTS + "\u00a9\u00ae\u2122\u2120")
_PUNCTUATION = _Dropped("P", "S", "Cf")


def fold(text: str) -> str:
    """A text in lower case with compatible characters made equal (NFKC: full-width forms, ligatures, no-break
    spaces), marks that have no width left out, single spaces."""
    plain = unicodedata.normalize("NFKC", text.translate(_INVISIBLE) if text else "")
    return " ".join(plain.lower().split())


def normalize_answer(text: str) -> str:
    """SQuAD's normalisation: lower case, no punctuation, no articles, single spaces. Punctuation and symbols are
    those of every language, compatible characters are equal (NFKC). A text of nothing else, an emoji or an
    article alone, stays what it is, so that it differs from no answer."""
    folded = fold(text)
    plain = _ARTICLES.sub(" ", folded.translate(_PUNCTUATION))
    return " ".join(plain.split()) or folded or " ".join(text.split())


def answer_tokens(text: str) -> list[str]:
    """The normalised words of an answer; in scripts without spaces every character is one."""
    return _UNSPACED.sub(r" \g<0> ", normalize_answer(text)).split()


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
