"""Trains `rerank_linear` on line (RMM, arXiv 2503.08026): M of K candidates are drawn, each drawn
one earns +1 where it was useful (it was cited, or it is evidence) and -1 where it was not, and the
maps follow eta (R - b) grad log P(M | question, K). Candidates that were not drawn earn nothing.

Departures, each a setting: 1. `likelihood="drawn"` takes the probability of the draw itself,
without replacement (Plackett-Luce); the paper's softmax over scores with their noise diverged on
hashed vectors; 2. `baseline="mean"` is the running mean of R; the paper's 0.5 makes nearly every step
a punishment where one in ten candidates is useful.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from memfactory_core.config import Reranking
from memfactory_core.episode import Context
from memfactory_core.errors import ConfigError
from memfactory_core.retrievers.rerank_linear import Candidates, RerankLinear, Weights
from memfactory_core.scoring.retrieval import LARGE, banks, needed_observations, retrieve
from memfactory_core.types import Example


class Learner:
    """A reranker that learns from each answer."""

    def __init__(self, weights: Weights, settings: Reranking, seed: int) -> None:
        self.weights = weights
        self.settings = settings
        self.rng = np.random.default_rng(seed)
        self.mean = 0.0
        self.earned = 0

    def draw(self, candidates: Candidates, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The `count` candidates drawn by Gumbel noise, best first, and the noise of all (K,)."""
        noise = self.rng.gumbel(size=len(candidates.memories))
        scores = self.weights.scores(candidates)
        if self.settings.likelihood == "noisy":
            order = np.argsort(-(scores + noise))
        else:
            order = np.argsort(-(scores / self.settings.temperature + noise))
        return order[:count], noise

    def learn(
        self,
        batch: Sequence[tuple[Candidates, np.ndarray, np.ndarray, np.ndarray]],
        with_features: bool,
    ) -> None:
        """One update from questions with what was drawn, the noise, and what each drawn one earned
        (M,)."""
        weights, settings = self.weights, self.settings
        rate = settings.learning_rate / len(batch)
        map_rate = rate if settings.map_rate is None else settings.map_rate / len(batch)
        pushes = []
        for candidates, drawn, noise, rewards in batch:
            query, _ = weights.look(candidates.query)
            push = self._push(weights.scores(candidates), drawn, noise, rewards - self._baseline)
            pushed = push @ candidates.memories
            pushes.append(
                (pushed + weights.memory @ pushed, query, pushed, push @ candidates.features)
            )
        queries = np.stack([candidates.query for candidates, *_ in batch])
        to_query, mapped, to_memory, to_features = (
            np.stack(part) for part in zip(*pushes, strict=True)
        )
        if map_rate:
            weights.query += (map_rate * to_query.T @ queries).astype(np.float32)
            weights.memory += (map_rate * mapped.T @ to_memory).astype(np.float32)
        if with_features:
            weights.features += (rate * to_features.sum(axis=0)).astype(np.float32)
        for *_, rewards in batch:
            self.earned += 1
            self.mean += (rewards.mean() - self.mean) / min(self.earned, 100)

    @property
    def _baseline(self) -> float:
        return self.mean if self.settings.baseline == "mean" else self.settings.baseline

    def _push(
        self, scores: np.ndarray, drawn: np.ndarray, noise: np.ndarray, gains: np.ndarray
    ) -> np.ndarray:
        """d/d scores of the sum over the drawn of gain x log probability, (K,)."""
        tau = self.settings.temperature
        push = np.zeros(len(scores))
        logits = (scores + noise if self.settings.likelihood == "noisy" else scores) / tau
        left = np.ones(len(scores), dtype=bool)
        for place, gain in zip(drawn, gains, strict=True):
            chances = np.where(left, np.exp(logits - logits[left].max()), 0)
            push -= gain * chances / chances.sum()
            push[place] += gain
            left[place] = self.settings.likelihood == "noisy"
        return push / tau


def prepare(
    retriever: RerankLinear, examples: Sequence[Example]
) -> list[tuple[Candidates, np.ndarray]]:
    """For each question with evidence and candidates: these as numbers, and which are evidence
    (K,). ConfigError where the candidates are chosen by a policy."""
    prepared = []
    for example, bank in banks(examples, LARGE):
        hits = retrieve(retriever.candidates, example, bank)
        if hits:
            needed = needed_observations(example)
            useful = np.array([hit.memory.source in needed for hit in hits])
            described = retriever.describe(example.question, hits, Context(example, bank))
            prepared.append((described, useful))
    return prepared


def train_reranker(
    retriever: RerankLinear,
    examples: Sequence[Example],
    settings: Reranking,
    seed: int,
    on_step: Callable[[int, dict[str, float]], None] | None = None,
) -> Weights:
    """Learns from the evidence of these examples; starts from the retriever's weights. `on_step`
    receives the share of the drawn memories that were useful. ConfigError where no question has
    evidence."""
    questions = prepare(retriever, examples)
    if not questions:
        raise ConfigError(
            "no question has evidence that names an observation; nothing to learn from"
        )
    start = retriever.learned()
    weights = Weights(start.query.copy(), start.memory.copy(), start.features.copy())
    learner = Learner(weights, settings, seed)
    order: list[int] = []
    for step in range(1, settings.steps + 1):
        batch = []
        for _ in range(settings.batch):
            order = order or learner.rng.permutation(len(questions)).tolist()
            candidates, useful = questions[order.pop()]
            drawn, noise = learner.draw(candidates, retriever.top_k)
            batch.append((candidates, drawn, noise, np.where(useful[drawn], 1.0, -1.0)))
        learner.learn(batch, retriever.features)
        if on_step:
            share = float(np.mean([np.mean(rewards > 0) for *_, rewards in batch]))
            on_step(step, {"useful": share})
    if not np.isfinite(weights.features).all() or not np.isfinite(weights.query).all():
        raise ConfigError("the reranker diverged; lower its learning rate")
    return weights
