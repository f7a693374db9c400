"""The linear reranker: its update is the gradient it claims, it learns what is useful, keeps and
explains it."""

from __future__ import annotations

import random

import numpy as np
import pytest

from memfactory_core.config import load
from memfactory_core.embedders.hashing import Hashing
from memfactory_core.episode import Context, steps
from memfactory_core.errors import ConfigError
from memfactory_core.retrievers.bm25 import BM25
from memfactory_core.retrievers.facts import FEATURES
from memfactory_core.retrievers.rerank_linear import Candidates, RerankLinear, Weights
from memfactory_core.runs.retrieval_modes import rerank
from memfactory_core.scoring.retrieval import evaluate_retriever, fill
from memfactory_core.stores.ram import Ram
from memfactory_core.tasks.locomo import LoCoMo
from memfactory_core.training.reranker import Learner, Reranking, train_reranker
from memfactory_core.types import Evidence, Example

LEARN = Reranking(steps=300, learning_rate=0.1, baseline="mean", likelihood="drawn")
SMALL = RerankLinear(
    embedder=Hashing(dimensions=64, common=1.0), candidates=BM25(top_k=10), top_k=2
)


def numbers(seed: int, features: bool = True) -> tuple[Weights, Candidates]:
    rng = np.random.default_rng(seed)
    weights = Weights(*(rng.normal(size=shape) * 0.3 for shape in ((4, 4), (4, 4), len(FEATURES))))
    given = rng.normal(size=(6, len(FEATURES))) * features
    return weights, Candidates(rng.normal(size=4), rng.normal(size=(6, 4)), given)


def objective(weights, candidates, drawn, noise, rewards, settings, baseline) -> float:
    """The sum over the drawn of (R - b) log P, written out a second time."""
    scores, total, left = weights.scores(candidates), 0.0, list(range(6))
    for place, reward in zip(drawn, rewards, strict=True):
        logits = (scores + (noise if settings.likelihood == "noisy" else 0)) / settings.temperature
        total += (reward - baseline) * (logits[place] - np.log(np.exp(logits[left]).sum()))
        if settings.likelihood == "drawn":
            left.remove(place)
    return total


@pytest.mark.parametrize("likelihood", ["noisy", "drawn"])
def test_an_update_is_the_gradient_of_the_drawn_memories(likelihood):
    settings = Reranking(learning_rate=1.0, likelihood=likelihood, baseline=0.5)
    weights, candidates = numbers(1)
    drawn, noise, rewards = np.array([3, 0, 5]), np.arange(6) / 5, np.array([1.0, -1.0, 1.0])
    learner = Learner(
        Weights(weights.query.copy(), weights.memory.copy(), weights.features.copy()), settings, 0
    )
    learner.learn([(candidates, drawn, noise, rewards)], with_features=True)
    small = 1e-5
    for name, place in (("query", (1, 2)), ("memory", (0, 3)), ("features", (2,))):
        sides = []
        for sign in (1, -1):
            moved = {n: getattr(weights, n).copy() for n in ("query", "memory", "features")}
            moved[name][place] += sign * small
            sides.append(
                objective(Weights(**moved), candidates, drawn, noise, rewards, settings, 0.5)
            )
        slope = (sides[0] - sides[1]) / (2 * small)
        change = getattr(learner.weights, name)[place] - getattr(weights, name)[place]
        assert change == pytest.approx(slope, rel=1e-4, abs=1e-5), name


def test_the_draw_follows_the_scores_and_the_noise():
    weights, candidates = numbers(2)
    learner = Learner(weights, Reranking(temperature=1.0, likelihood="drawn"), seed=0)
    first = (
        np.bincount([learner.draw(candidates, 2)[0][0] for _ in range(4000)], minlength=6) / 4000
    )
    scores = weights.scores(candidates)
    assert first == pytest.approx(np.exp(scores) / np.exp(scores).sum(), abs=0.03)


def secrets(count: int, seed: int) -> list[Example]:
    """Memories that look alike to words: the useful one says `yesterday` where the question says
    `when`."""
    rng = random.Random(seed)
    examples = []
    for number in range(count):
        name = f"name{rng.randrange(10**6)}"
        texts = [
            f"Ann: {name} {verb} the river today."
            for verb in ("saw", "left", "loved", "drew", "met")
        ]
        useful = rng.randrange(5)
        texts[useful] = texts[useful].replace("today", "yesterday")
        examples.append(
            Example(
                id=str(number),
                observations=tuple(texts),
                question=f"When was {name} at the river?",
                answers=("x",),
                evidence=(Evidence(text=texts[useful], observation=useful),),
            )
        )
    return examples


def test_it_learns_a_choice_that_words_do_not_tell(tmp_path):
    shares = []
    weights = train_reranker(
        SMALL, secrets(60, 0), LEARN, 0, lambda step, m: shares.append(m["useful"])
    )
    weights.save(tmp_path / "run" / "reranker.safetensors")
    trained = SMALL.model_copy(update={"weights": str(tmp_path / "run" / "reranker.safetensors")})
    test = secrets(40, 1)
    before = evaluate_retriever(SMALL, test, ks=(1,))["all"]["recall@1"]
    after = evaluate_retriever(trained, test, ks=(1,))["all"]["recall@1"]
    assert before["mean"] < 0.5 < 0.9 < after["mean"]
    assert len(shares) == 300 and np.mean(shares[:10]) + 0.05 < np.mean(shares[-30:])
    again = train_reranker(SMALL, secrets(60, 0), LEARN, 0)
    assert np.array_equal(again.query, weights.query), "the same seed learns the same"


def test_untrained_it_keeps_the_order_by_words_and_explains_itself():
    example = secrets(1, 0)[0]
    context = Context(example, fill(Ram(), ["Bob: It rained.", *example.observations]))
    query = "What did Bob say about rain?"
    retriever = RerankLinear(features=True, top_k=3)
    try:
        next(steps(retriever.retrieve(query, context)))
    except StopIteration as end:
        hits = end.value
    by_words = BM25(top_k=3).retrieve(query, context)
    assert hits[0].memory.id == by_words[0].memory.id
    parts = {name: value for name, value in hits[0].scores.items() if name.startswith("rerank")}
    assert set(parts) == {"rerank vectors", *(f"rerank {name}" for name in FEATURES)}
    assert sum(parts.values()) == pytest.approx(hits[0].score, abs=1e-4)
    assert context.events[-1].query == query, "the candidates are in the trace"


def test_weights_that_are_missing_or_do_not_fit_are_clear_errors(tmp_path):
    path = tmp_path / "w.safetensors"
    with pytest.raises(ConfigError, match="w.safetensors: holds no weights"):
        RerankLinear(weights=str(path)).learned()
    path.write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="w.safetensors: holds no weights"):
        RerankLinear(weights=str(path)).learned()
    Weights.untrained(64, True).save(path)
    with pytest.raises(ConfigError, match="has 64 dimensions, the embedder 512"):
        RerankLinear(weights=str(path)).learned()
    assert SMALL.model_copy(update={"weights": str(path)}).learned().features[0] == 4.0
    with pytest.raises(ConfigError, match="was trained with around = false; set it so"):
        SMALL.model_copy(update={"weights": str(path), "around": True}).learned()


def test_training_needs_evidence():
    examples = [example.model_copy(update={"evidence": ()}) for example in secrets(3, 0)]
    with pytest.raises(ConfigError, match="nothing to learn from"):
        train_reranker(SMALL, examples, LEARN, 0)


def test_on_locomo_it_beats_the_order_that_it_reranks(data, tmp_path):
    path = str(data / "locomo" / "locomo6.json")
    train, test = (
        LoCoMo(path=path, observation="turn", conversations=names).examples(10_000, 0)
        for names in (("conv-26", "conv-30", "conv-41", "conv-42"), ("conv-43", "conv-44"))
    )
    embedder = Hashing(dimensions=128, common=0.5)
    retriever = RerankLinear(candidates=BM25(top_k=50), embedder=embedder, features=True)
    settings = Reranking(steps=300, learning_rate=0.1, baseline="mean", likelihood="drawn")
    train_reranker(retriever, train, settings, 0).save(tmp_path / "w.safetensors")
    trained = retriever.model_copy(update={"weights": str(tmp_path / "w.safetensors")})
    before = evaluate_retriever(BM25(), test, ks=(5,))["all"]["recall@5"]
    after = evaluate_retriever(trained, test, ks=(5,))["all"]["recall@5"]
    assert after["mean"] > before["mean"] + 0.04 and after["n"] == 301


@pytest.mark.slow
@pytest.mark.models
def test_over_minilm_one_conversation_teaches_it_to_read_another(data, fetched, tmp_path):
    model = f"model={fetched('minilm')}"
    path = data / "locomo" / "locomo6.json"
    embedders = ("paradigm.retriever.embedder", "paradigm.retriever.candidates.embedder")
    config = load(
        "rmm-linear-minilm",
        [
            f"task.path={path}", 'task.conversations=["conv-30"]', 'evaluation.task.conversations=["conv-26"]',
            "reranking.steps=300", "retrieval.ks=[5]", 'retrieval.retrievers=["bm25"]',
            *(f"{one}.{setting}" for one in embedders for setting in (model, "keep=false")),
        ],
    )  # fmt: skip
    before, after = rerank(
        config, config.held_out.examples(10_000, 0), tmp_path, lambda step, m: None
    )
    found, maps = (
        after[f"rerank_linear{name}/all/recall@5"]["mean"] for name in ("", " (maps alone)")
    )
    assert after["rerank_linear/all/recall@5 over bm25"]["mean"] > 0.1
    assert found > before["rerank_linear/all/recall@5"]["mean"] + 0.04 and found > maps + 0.1
