"""An answer beside its gold answers. The answer is the last `\\boxed{}` within the last 300 characters (MemAgent,
arXiv 2507.02259), or the whole text where there is none; it is compared after SQuAD's normalisation, the best over
the gold answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from math import exp
from statistics import fmean

from memfactory_core.text import normalize_answer
from memfactory_core.types import Question

_JOINTS = re.compile(r"[,;|/&\n\u3001\uff0c\uff1b]")
_AND = re.compile(r"\band\b")
_BOX = re.compile(r"\\boxed\{([^{}]*)\}")


def extract_answer(text: str) -> str:
    """The part of an output that counts as its answer."""
    boxes = _BOX.findall(text[-300:])
    return boxes[-1] if boxes else text


def exact_match(answer: str, golds: Sequence[str]) -> float:
    """1.0 where the normalised answer equals a normalised gold answer."""
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
    """The best token F1 over the gold answers, in [0, 1]."""
    return max(
        (_f1(normalize_answer(extract_answer(answer)).split(), gold) for gold in golds), default=0.0
    )


def _f1(given: list[str], gold: str) -> float:
    wanted = normalize_answer(gold).split()
    common = sum((Counter(given) & Counter(wanted)).values())
    if not common:
        return float(given == wanted)
    return 2 * common / (len(given) + len(wanted))


def bleu1(answer: str, golds: Sequence[str]) -> float:
    """The best BLEU-1 over the gold answers: clipped unigram precision with the brevity penalty."""
    given = normalize_answer(extract_answer(answer)).split()
    return max((_bleu1(given, normalize_answer(gold).split()) for gold in golds), default=0.0)


def _bleu1(given: list[str], wanted: list[str]) -> float:
    if not given:
        return float(not wanted)
    precision = sum((Counter(given) & Counter(wanted)).values()) / len(given)
    return precision * min(1.0, exp(1 - len(wanted) / len(given)))


def contained(answer: str, golds: Sequence[str]) -> float:
    """The share of gold strings that stand in the answer, case and spacing aside (RULER's recipe)."""
    text = " ".join(answer.lower().split())
    return fmean(" ".join(gold.lower().split()) in text for gold in golds)
