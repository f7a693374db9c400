"""Policies that are programs: honest baselines for real data, and known strategies whose scores can be
computed by hand. All but `clairvoyant` see only what any policy sees."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from memfactory_core.episode import Ask
from memfactory_core.language import parse_fact, split_sentences
from memfactory_core.policies import Policy
from memfactory_core.text import words
from memfactory_core.trace import holds
from memfactory_core.types import Completion

Strategy = Literal["overlap", "everything", "nothing", "first", "last", "random", "clairvoyant"]
_COMMON = frozenset(
    "a an the of in on at to for by with and or is was are were be been has have had do does did what which "
    "who whom whose when where why how that this it its he she his her they their s as from".split()
)


class ScriptedSampler:
    """Writes by a fixed strategy and reads as well as a program can."""

    def __init__(self, strategy: Strategy, seed: int) -> None:
        self.strategy = strategy
        self.random = random.Random(seed)

    def complete(self, asks: Sequence[Ask], temperature: float) -> list[Completion]:
        """One completion for each ask; the temperature changes nothing."""
        return [Completion(text=self._respond(ask)) for ask in asks]

    def _respond(self, ask: Ask) -> str:
        if ask.role == "answer":
            return self._answer(ask)
        if ask.role == "update":
            return self._rewrite(ask)
        raise ValueError(f"the scripted policy does not know the role {ask.role!r}")

    def _answer(self, ask: Ask) -> str:
        sentences = split_sentences(ask.facts["memory"])
        for sentence in reversed(sentences):
            fact = parse_fact(sentence)
            if fact and fact.question == ask.facts["question"]:
                return fact.sentence
        best = rank_by_overlap(sentences, ask.facts["question"])
        return best[0] if best else "Unknown."

    def _rewrite(self, ask: Ask) -> str:
        """The new memory of an update turn, sentences joined by single spaces."""
        old = split_sentences(ask.facts["memory"])
        new = split_sentences(ask.facts["section"])
        sentences = list(dict.fromkeys([*old, *new]))
        if self.strategy == "everything":
            return " ".join(sentences)
        if self.strategy == "nothing":
            return ""
        budget = ask.facts["budget"]
        if self.strategy == "first":
            return fill(sentences, budget)
        if self.strategy == "last":
            return fill(sentences[::-1], budget)
        if self.strategy == "random":
            return fill(self.random.sample(sentences, len(sentences)), budget)
        if self.strategy == "clairvoyant":
            known = f"{ask.facts['memory']} {ask.facts['section']}"
            needed = [item.text for item in ask.example.evidence if holds(known, item)]
            return fill(list(dict.fromkeys([*needed, *sentences])), budget)
        return fill(rank_by_overlap(sentences, ask.facts["question"]), budget)


def rank_by_overlap(sentences: Sequence[str], question: str) -> list[str]:
    """The sentences by how many of the question's telling words they share, most first; ties keep order."""
    wanted = set(words(question)) - _COMMON
    return sorted(sentences, key=lambda s: -len(wanted & set(words(s))))


def fill(sentences: Sequence[str], budget: int) -> str:
    """The sentences in order, each taken if it still fits into `budget` characters."""
    taken: list[str] = []
    room = budget
    for sentence in sentences:
        if len(sentence) + bool(taken) <= room:
            room -= len(sentence) + bool(taken)
            taken.append(sentence)
    return " ".join(taken)


class Scripted(Policy, kind="scripted"):
    """A fixed strategy instead of a model: a baseline that needs no training."""

    strategy: Strategy = "overlap"
    """What it keeps: the sentences that overlap most with the question, everything, nothing, the first, the
    last or random ones; `clairvoyant` knows the evidence and shows what is possible."""
    seed: int = 0
    """Seed of the random strategy."""

    def load(self, weights: Path | None = None) -> ScriptedSampler:
        """The strategy, ready to answer; there are no weights."""
        return ScriptedSampler(self.strategy, self.seed)
