"""Measures of a finished episode, plain functions. `measure` gives all that apply, `total` weighs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from memfactory_core.rewards.answers import bleu1, contained, exact_match, f1
from memfactory_core.trace import Episode, Recalled, Wrote, holds, replay, snapshots
from memfactory_core.types import Evidence

SCORES = {
    "exact_match": "the answer is one of the gold answers",
    "f1": "overlap of the answer's words with the gold answer's",
    "contained": "share of the gold strings that the answer contains (RULER's string match)",
    "bleu1": "share of the answer's words that are in the gold answer, short answers held back",
    "stored": "share of the needed facts that were in memory at some moment",
    "kept": "share of the needed facts that are in memory when the question is answered",
    "read": "the answer is right, counted only where all needed facts were kept",
    "operations": "share of memory operations that were the right ones, where the task knows them",
    "right_add": "share of the new facts that were added",
    "right_update": "share of the changes that updated a memory",
    "right_delete": "share of the retractions that deleted a memory",
    "right_noop": "share of the messages without a fact that changed nothing",
    "found": "share of the needed facts among the memories that an answer was read from",
    "excess": "memories read beyond those needed, mean over questions",
    "memories": "memories in the bank when the question is answered",
    "rejected": "share of the policy's memory decisions that were malformed, too long or impossible",
    "length": "tokens the policy wrote, mean over turns",
}


def share_held(text: str, evidence: Sequence[Evidence]) -> float:
    """The share of the evidence that a text states."""
    return sum(holds(text, item) for item in evidence) / len(evidence)


def rejected(episode: Episode) -> float:
    """The share of the policy's memory decisions that were refused; 0 where it made none."""
    refused = sum(isinstance(e, Wrote) and e.action == "reject" for e in episode.events)
    decisions = sum(turn.role != "answer" for turn in episode.turns)
    return refused / decisions if decisions else 0.0


def operations(episode: Episode) -> dict[str, float]:
    """`operations`, the share of writes that did what was right, and `right_add`, `right_update`, ... for each
    operation that was ever the right one. Only where the task knows them (`meta["actions"]`, one for each
    write); {} elsewhere."""
    right = episode.example.meta.get("actions")
    done = [event.action for event in episode.events if isinstance(event, Wrote)]
    if not right or len(right) != len(done):
        return {}
    pairs = list(zip(right, done, strict=True))
    scores = {"operations": fmean(wanted == did for wanted, did in pairs)}
    for action in dict.fromkeys(right):
        scores[f"right_{action}"] = fmean(
            did == action for wanted, did in pairs if wanted == action
        )
    return scores


def measure(episode: Episode) -> dict[str, float]:
    """Every score that applies, by name; see SCORES. A failed episode answers nothing. Scores of answers
    are means over the example's questions."""
    questions = episode.example.questions
    answers = [episode.answer, *episode.other_answers]
    answers += [""] * (len(questions) - len(answers))
    matches = [exact_match(a, q.answers) for a, q in zip(answers, questions, strict=True)]
    scores = {
        "exact_match": fmean(matches),
        "f1": fmean(f1(a, q.answers) for a, q in zip(answers, questions, strict=True)),
        "bleu1": fmean(bleu1(a, q.answers) for a, q in zip(answers, questions, strict=True)),
        "rejected": rejected(episode),
    }
    if golds := episode.example.meta.get("all_of"):
        scores["contained"] = contained(episode.answer, golds)
    scores |= _memory_scores(episode, matches) | _recall_scores(episode)
    scores |= operations(episode)
    written = [turn.completion.length for turn in episode.turns]
    if lengths := [length for length in written if length is not None]:
        scores["length"] = fmean(lengths)
    return scores


def _memory_scores(episode: Episode, matches: Sequence[float]) -> dict[str, float]:
    scores = {"memories": float(len(replay(episode.events)))}
    needed = episode.example.needed
    if not needed:
        return scores
    texts = snapshots(episode)
    final = texts[-1] if texts else ""
    scores["stored"] = fmean(any(holds(text, item) for text in texts) for item in needed)
    scores["kept"] = share_held(final, needed)
    read = [
        match
        for match, question in zip(matches, episode.example.questions, strict=True)
        if question.evidence and share_held(final, question.evidence) == 1.0
    ]
    if read:
        scores["read"] = fmean(read)
    return scores


def _recall_scores(episode: Episode) -> dict[str, float]:
    """Scores of what the answers were read from: the last recall before the end for each question."""
    read = {
        event.query: [hit.memory.text for hit in event.hits]
        for event in episode.events
        if isinstance(event, Recalled) and event.at is None
    }
    found, excess = [], []
    for question in episode.example.questions:
        texts = read.get(question.question)
        if texts is None or not question.evidence:
            continue
        found.append(share_held("\n".join(texts), question.evidence))
        excess.append(float(max(0, len(texts) - len(question.evidence))))
    return {"found": fmean(found), "excess": fmean(excess)} if found else {}


def total(scores: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The reward: the weighted sum of the scores that apply."""
    return sum(weight * scores.get(name, 0.0) for name, weight in weights.items())


def score(episode: Episode, weights: Mapping[str, float]) -> Episode:
    """The episode with its scores and reward filled in."""
    scores = measure(episode)
    return episode.model_copy(update={"scores": scores, "reward": total(scores, weights)})
