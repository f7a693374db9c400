"""Measures of a finished episode, plain functions. `measure` gives all that apply, `total` weighs them.

The answer is the last `\\boxed{}` within the last 300 characters (MemAgent, arXiv 2507.02259), or the whole
text where there is none; it is compared after SQuAD's normalisation, the best over the gold answers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from memfactory_core.text import normalize_answer
from memfactory_core.trace import Episode, Wrote, holds, snapshots
from memfactory_core.types import Evidence

SCORES = {
    "exact_match": "the answer is one of the gold answers",
    "f1": "overlap of the answer's words with the gold answer's",
    "stored": "share of the needed facts that were in memory at some moment",
    "kept": "share of the needed facts that are in memory when the question is answered",
    "read": "the answer is right, counted only where all needed facts were kept",
    "rejected": "share of memory writes that were malformed, too long or impossible",
    "length": "tokens the policy wrote, mean over turns",
}
_BOX = re.compile(r"\\boxed\{([^{}]*)\}")


def extract_answer(text: str) -> str:
    """The part of an output that counts as its answer."""
    boxes = _BOX.findall(text[-300:])
    return boxes[-1] if boxes else text


def exact_match(answer: str, golds: Sequence[str]) -> float:
    """1.0 where the normalised answer equals a normalised gold answer."""
    given = normalize_answer(extract_answer(answer))
    return float(any(given == normalize_answer(gold) for gold in golds))


def f1(answer: str, golds: Sequence[str]) -> float:
    """The best token F1 over the gold answers, in [0, 1]."""
    return max((_f1(normalize_answer(extract_answer(answer)).split(), gold) for gold in golds), default=0.0)


def _f1(given: list[str], gold: str) -> float:
    wanted = normalize_answer(gold).split()
    common = sum((Counter(given) & Counter(wanted)).values())
    if not common:
        return float(given == wanted)
    return 2 * common / (len(given) + len(wanted))


def share_held(text: str, evidence: Sequence[Evidence]) -> float:
    """The share of the evidence that a text states."""
    return sum(holds(text, item) for item in evidence) / len(evidence)


def rejected(episode: Episode) -> float:
    """The share of writes that were refused; 0 where nothing was written."""
    writes = [event.action for event in episode.events if isinstance(event, Wrote)]
    return writes.count("reject") / len(writes) if writes else 0.0


def measure(episode: Episode) -> dict[str, float]:
    """Every score that applies, by name; see SCORES. A failed episode answers nothing."""
    example = episode.example
    scores = {
        "exact_match": exact_match(episode.answer, example.answers),
        "f1": f1(episode.answer, example.answers),
        "rejected": rejected(episode),
    }
    if example.evidence:
        texts = snapshots(episode)
        ever = [any(holds(text, item) for text in texts) for item in example.evidence]
        scores["stored"] = sum(ever) / len(ever)
        scores["kept"] = share_held(texts[-1] if texts else "", example.evidence)
        if scores["kept"] == 1.0:
            scores["read"] = scores["exact_match"]
    lengths = [
        len(turn.completion.completion_ids)
        for turn in episode.turns
        if turn.completion.completion_ids is not None
    ]
    if lengths:
        scores["length"] = sum(lengths) / len(lengths)
    return scores


def total(scores: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The reward: the weighted sum of the scores that apply."""
    return sum(weight * scores.get(name, 0.0) for name, weight in weights.items())


def score(episode: Episode, weights: Mapping[str, float]) -> Episode:
    """The episode with its scores and reward filled in."""
    scores = measure(episode)
    return episode.model_copy(update={"scores": scores, "reward": total(scores, weights)})
