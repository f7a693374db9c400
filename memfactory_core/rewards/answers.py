"""An answer beside its gold answers. The answer is the last `\\boxed{}` within the last 300 characters (MemAgent,
arXiv 2507.02259), read as plain text, or the whole text where there is none; it is compared after SQuAD's
normalisation, the best over the gold answers."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import exp
from statistics import fmean

from memfactory_core.text import answer_tokens, fold, normalize_answer
from memfactory_core.types import Question

_JOINTS = re.compile(r"[,;|/&\n\u3001\uff0c\uff1b]")
_AND = re.compile(r"\band\b")
LAST = 300
"""Characters at an output's end in which a box counts."""
_BOX = re.compile(r"\\f?box(?:ed)?(?![a-z])[ \t]*")
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_ACCENT = re.compile(
    r"(?<=[^\W\d_])\\(['\"])([aceinouyzACEINOUYZ])|\\(['\"`^~=.])\{\\?(\w)\}|\\([`^~=])(\w)|"
    r"\\([cvuHkr])\{(\w)\}"
)
"""Without braces an acute or an umlaut must follow a letter: `\"Alice\"` is quoted."""
_ACCENTS = dict(
    zip("'\"`^~=.cvuHkr", "\u0301\u0308\u0300\u0302\u0303\u0304\u0307\u0327\u030c\u0306\u030b\u0328\u030a",
        strict=True)
)  # fmt: skip
_WRAPPERS = re.compile(
    r"\\(?:text\w*|math\w+|emph|operatorname\*?|[mhf]box|boxed|underline|boldsymbol|bm|bf|it|rm|"
    r"displaystyle|left|right|tiny|small|large|Large|huge)(?![a-zA-Z])\s*"
)
_SPACES = re.compile(r"\\(?:[,;: >\n]|\\|q?quad(?![a-z])|[hv]space\*?\{[^{}]*\})|~")
_NOTHING = re.compile(r"\\[!()\[\]/]|(?<!\\)[{}$]")
_SIGNS = {r"^\circ": "°", r"^{\circ}": "°", r"\circ": "°", r"\degree": "°", r"\ldots": "...",
          r"\dots": "...", r"\times": "×", r"\cdot": "·", r"\pm": "±", r"\euro": "€", r"\pounds": "£",
          r"\ss": "ß", r"\ae": "æ", r"\o": "ø", r"\i": "i"}  # fmt: skip
_SIGN = re.compile("|".join(re.escape(name) + r"(?![a-zA-Z])" for name in _SIGNS))
_ESCAPED = re.compile(r"\\([_%$&#{}\"'.\-])")


def extract_answer(text: str) -> str:
    """The part of an output that counts as its answer. Of several boxes the last one that is closed counts; one
    that was never closed reaches to the end of its line, one without braces (`\\boxed Paris`) too."""
    end = text[-LAST:]
    unclosed = None
    for found in reversed(list(_BOX.finditer(end))):
        start = found.end()
        if end[start : start + 1] == "{":
            close = _closing_brace(end, start)
            if close is not None:
                return _as_plain_text(end[start + 1 : close])
            inside = end[start + 1 :]
        else:
            inside = end[start:].split("$")[0]
        if unclosed is None:
            unclosed = _as_plain_text((inside.splitlines() or [""])[0])
    return text if unclosed is None else unclosed


def _closing_brace(text: str, start: int) -> int | None:
    """Where the brace that opens at `start` is closed; escaped ones do not count."""
    depth = 0
    for place in range(start, len(text)):
        if text[place] in "{}" and text[place - 1 : place] != "\\":
            depth += 1 if text[place] == "{" else -1
            if not depth:
                return place
    return None


def _as_plain_text(latex: str) -> str:
    """What a reader sees of LaTeX that wraps words: no commands, no braces, escapes resolved."""
    plain = _SIGN.sub(lambda found: _SIGNS[found[0]], _FRACTION.sub(r"\1/\2", latex))
    accented = _ACCENT.sub(_accent, plain)
    unwrapped = _SPACES.sub(" ", _WRAPPERS.sub("", unicodedata.normalize("NFC", accented)))
    return " ".join(_ESCAPED.sub(r"\1", _NOTHING.sub("", unwrapped)).split())


def _accent(found: re.Match[str]) -> str:
    mark, letter = (part for part in found.groups() if part)
    return letter + _ACCENTS[mark]


def exact_match(answer: str, golds: Sequence[str]) -> float:
    """1.0 where the normalised answer equals a normalised gold answer."""
    return _exact_match(answer, tuple(golds))


@lru_cache(maxsize=1024)  # attempts answer much the same
def _exact_match(answer: str, golds: tuple[str, ...]) -> float:
    given = normalize_answer(extract_answer(answer))
    return float(any(given == normalize_answer(gold) for gold in golds))


def is_right(answer: str, question: Question) -> float:
    """1.0 where the answer is right for the question: one of its golds, or, where it wants all of several
    (RULER), their list in any order, nothing missing and nothing else in it."""
    if not question.all_of:
        return exact_match(answer, question.answers)
    given = _AND.sub(" ", normalize_answer(_JOINTS.sub(" ", extract_answer(answer)))).split()
    wanted = " ".join(normalize_answer(_JOINTS.sub(" ", gold)) for gold in question.all_of).split()
    return float(sorted(given) == sorted(wanted))


def f1(answer: str, golds: Sequence[str]) -> float:
    """The best token F1 over the gold answers, in [0, 1]; of texts without spaces, the F1 of characters."""
    return _best(_f1, answer, tuple(golds))


@lru_cache(maxsize=1024)
def _best(
    measure: Callable[[Sequence[str], Sequence[str]], float], answer: str, golds: tuple[str, ...]
) -> float:
    given = answer_tokens(extract_answer(answer))
    return max((measure(given, answer_tokens(gold)) for gold in golds), default=0.0)


def _f1(given: Sequence[str], wanted: Sequence[str]) -> float:
    common = sum((Counter(given) & Counter(wanted)).values())
    if not common:
        return float(given == wanted)
    return 2 * common / (len(given) + len(wanted))


def bleu1(answer: str, golds: Sequence[str]) -> float:
    """The best BLEU-1 over the gold answers: clipped unigram precision with the brevity penalty."""
    return _best(_bleu1, answer, tuple(golds))


def _bleu1(given: Sequence[str], wanted: Sequence[str]) -> float:
    if not given:
        return float(not wanted)
    precision = sum((Counter(given) & Counter(wanted)).values()) / len(given)
    return precision * min(1.0, exp(1 - len(wanted) / len(given)))


def contained(answer: str, golds: Sequence[str]) -> float:
    """The share of gold strings that stand in the answer, case, spacing and width aside (RULER's recipe)."""
    text = fold(answer)
    return fmean([fold(gold) in text for gold in golds])
