"""Words of a text: SQuAD's answer normalisation, in every language, and whole-word containment, used by every
measure."""

from __future__ import annotations

import re
import unicodedata

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_WORD = re.compile(r"\w+")
_WITHOUT_SPACES = (
    "\u0e00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u1950-\u19df\u1a20-\u1aad\u3005-\u3007\u3021-\u3029"
    "\u3031-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua980-\ua9df\uaa60-\uaa7f\uac00-\ud7ff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Thai, Lao, Tibetan, Burmese, Khmer, Tai, Javanese, kana and Han put no spaces between words; Hangul puts them
between words with their endings, so that there, too, a word is found only by its characters."""
_MARKS = "".join(
    chr(code)
    for start, end in ((0x300, 0x3100), (0xA66F, 0xAC00), (0xFE20, 0xFE30))
    for code in range(start, end)
    if unicodedata.category(chr(code)).startswith("M")
)
_CHARACTER = rf"(?:(?![\d_\W])[{_WITHOUT_SPACES}])"
_ANY_WORD = re.compile(
    rf"{_CHARACTER}[{_MARKS}]*|(?!{_CHARACTER})\w(?:(?!{_CHARACTER})[\w{_MARKS}])*"
)
"""A character with its marks (vowels and tones of Thai, Khmer) where there are no spaces, else a word with its
marks, which `\\w` alone would cut in two."""
_UNSPACED_CHARACTER = re.compile(f"[{_WITHOUT_SPACES}\uff66-\uffdc]")
_UNUSUAL = re.compile(f"[{_WITHOUT_SPACES}{_MARKS}]")
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
    """The words of a text in lower case, punctuation dropped, compatible characters made equal (NFKC). In scripts
    without spaces each character is a word, so that what stands in a text literally stands in it by words too."""
    if text.isascii():
        return _WORD.findall(text.lower())
    plain = unicodedata.normalize("NFKC", text).lower()
    return (_ANY_WORD if _UNUSUAL.search(plain) else _WORD).findall(plain)


def search_terms(text: str) -> list[str]:
    """What a text is found by: its words and, in scripts without spaces, each two neighbouring characters, which
    tell far more than one."""
    found = words(text)
    if text.isascii():
        return found
    alone = [has_unspaced(word) for word in found]
    pairs = zip(found, found[1:], alone, alone[1:], strict=False)
    return found + [first + second for first, second, one, two in pairs if one and two]


def has_unspaced(text: str) -> bool:
    """Whether a text has characters of a script without spaces between words."""
    return not text.isascii() and bool(_UNSPACED_CHARACTER.search(text))


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
