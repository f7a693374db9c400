"""Words of a text: SQuAD's answer normalisation, in every language, and whole-word containment, used by every
measure. And texts from outside: JSON that is plain values, lines that a terminal may show."""

from __future__ import annotations

import json
import math
import re
import tomllib
import unicodedata
from functools import lru_cache
from typing import Any

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


@lru_cache(maxsize=1024)  # several measures look at one answer, and all attempts at one gold
def normalize_answer(text: str) -> str:
    """SQuAD's normalisation: lower case, no punctuation, no articles, single spaces. Punctuation and symbols are
    those of every language, compatible characters are equal (NFKC). A text of nothing else, an emoji or an
    article alone, stays what it is, so that it differs from no answer."""
    folded = fold(text)
    plain = _ARTICLES.sub(" ", folded.translate(_PUNCTUATION))
    return " ".join(plain.split()) or folded or " ".join(text.split())


@lru_cache(maxsize=1024)
def answer_tokens(text: str) -> tuple[str, ...]:
    """The normalised words of an answer; in scripts without spaces every character is one."""
    return tuple(_UNSPACED.sub(r" \g<0> ", normalize_answer(text)).split())


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


@lru_cache(maxsize=16384)
def telling(text: str) -> frozenset[str]:
    """The words of a text that say something: no stop words, without the commonest endings."""
    return frozenset(stem(word) for word in words(text) if word not in STOP_WORDS)


DEEPEST = 200
"""Lists and tables inside one another that a text from outside may hold."""


def parse_json(text: str) -> Any:
    """The values of a JSON text from outside. ValueError, in one line, also for what Python's reader lets through or
    breaks on: NaN and infinite numbers, integers beyond 64 bits, half a surrogate pair, nesting beyond DEEPEST."""
    try:
        values = json.loads(
            text, parse_constant=_no_number, parse_float=_finite, parse_int=_within_64_bits
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    check_values(values)
    return values


def parse_toml(text: str) -> dict[str, Any]:
    """The values of a TOML text from outside. ValueError, in one line, also where it is nested too deeply."""
    # the reader's cost is the square of the names in one dotted key
    if any(line.partition("=")[0].count(".") > DEEPEST for line in text.splitlines()):
        raise ValueError("it is nested too deeply")
    try:
        values = tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    check_values(values)
    return values


def check_values(values: Any) -> None:
    """ValueError where plain values are nested beyond DEEPEST or hold a text that cannot be written as UTF-8."""
    left = [(values, 0)]
    while left:
        value, depth = left.pop()
        if depth > DEEPEST:
            raise ValueError("it is nested too deeply")
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError as error:
                place = value[max(0, error.start - 10) : error.end]
                raise ValueError(f"{place!a} holds half a surrogate pair") from None
        elif isinstance(value, dict):
            left += [(item, depth + 1) for pair in value.items() for item in pair]
        elif isinstance(value, list):
            left += [(item, depth + 1) for item in value]


def describe_duration(seconds: float) -> str:
    """A time span in the unit that leaves a small number."""
    seconds = max(0, round(seconds))
    if seconds == 0:
        return "under 1 s"
    if seconds < 90:
        return f"{seconds} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds // 86_400} days"


def one_line(text: str) -> str:
    """A text as one line for a terminal: line ends become spaces; what would move the cursor, change colours, turn the
    writing direction or cannot be written at all is shown as its code."""
    if text.isprintable():
        return text
    return "".join(
        character
        if unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else character.encode("unicode_escape").decode()
        for character in " ".join(re.split(r"[\r\n\t]+", text))
    )


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not a number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is too large a number")
    return value


def _within_64_bits(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= (value := int(text)) < 2**63:
        raise ValueError(f"{text[:20]}... is too large a number")
    return value
