"""Retrievers find what they should on every store, explain why, and beat known figures on
LoCoMo."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from memfactory_core.component import kinds
from memfactory_core.embedders.hashing import Hashing
from memfactory_core.episode import Context
from memfactory_core.errors import ConfigError
from memfactory_core.retrievers.bm25 import BM25
from memfactory_core.retrievers.dense import Dense
from memfactory_core.retrievers.hybrid import Hybrid
from memfactory_core.retrievers.random import RandomDraw
from memfactory_core.scoring.retrieval import evaluate_retriever, fill, ndcg, recall
from memfactory_core.stores.lance import Lance
from memfactory_core.stores.ram import Ram
from memfactory_core.tasks.locomo import LoCoMo
from memfactory_core.types import Evidence, Example

TEXTS = (
    "Melanie adopted a puppy called Scout from the shelter.",
    "The weather in Lisbon was lovely all week.",
    "Caroline is studying to become a counselor.",
    "They watched a film about deep sea diving.",
    "Her brother repairs old bicycles in the garage.",
    "The concert tickets were sold out within minutes.",
)
PARAPHRASES = {
    "Which puppies has Melanie been adopting at shelters?": 0,
    "How is Lisbon's weather?": 1,
    "What studies did Caroline choose, counseling?": 2,
    "Did they watch films on diving in the sea?": 3,
    "Who does bicycle repair?": 4,
    "Were tickets for the concerts still on sale?": 5,
}
STORES = {"ram": Ram(), "lance": Lance()}


@pytest.fixture(params=STORES)
def context(request):
    bank = fill(STORES[request.param], TEXTS)
    yield Context(Example(id="x", observations=TEXTS, question="?", answers=("x",)), bank)
    bank.close()


@pytest.mark.parametrize("retriever", [BM25(), Dense(), Hybrid()], ids=lambda r: r.kind)
def test_a_paraphrase_outranks_noise(retriever, context):
    for query, wanted in PARAPHRASES.items():
        hits = retriever.retrieve(query, context)
        assert hits[0].memory.source == wanted, (query, hits[0].memory.text)
        assert all(a.score >= b.score for a, b in zip(hits, hits[1:], strict=False))


def test_hits_carry_the_scores_that_explain_them(context):
    query = "Melanie's puppy"
    [hit] = BM25(top_k=1).retrieve(query, context)
    assert set(hit.scores) == {"bm25"} and hit.score == hit.scores["bm25"] > 0
    [hit] = Dense(top_k=1).retrieve(query, context)
    assert set(hit.scores) == {"dense"} and 0 < hit.score <= 1
    [hit] = Hybrid(top_k=1).retrieve(query, context)
    assert set(hit.scores) == {"bm25", "dense", "rrf"}
    assert hit.score == hit.scores["rrf"] == pytest.approx(2 / 61)


@pytest.mark.parametrize("kind", ["bm25", "dense", "hybrid", "random", "recency"])
def test_top_k_bounds_the_hits_and_an_empty_bank_has_none(kind, context):
    retriever = kinds("retrievers")[kind]
    assert len(retriever(top_k=2).retrieve("the puppy film tickets weather", context)) == 2
    for store in STORES.values():
        empty = Context(context.example, store.open())
        assert retriever().retrieve("anything", empty) == []


def test_words_nobody_used_find_nothing_by_words(context):
    assert BM25().retrieve("xylophone zzz", context) == []


def test_bm25_is_okapi_by_hand():
    bank = fill(Ram(), ("cat dog", "cat cat bird fish"))
    rarity = np.log(1 + (2 - 2 + 0.5) / (2 + 0.5))
    norm = [1.5 * (0.25 + 0.75 * length / 3) for length in (2, 4)]
    expected = [rarity * 1 * 2.5 / (1 + norm[0]), rarity * 2 * 2.5 / (2 + norm[1])]
    assert BM25().scores("cats", bank) == pytest.approx(expected)


def test_random_is_seeded_and_differs_by_question(context):
    draw = [hit.memory.id for hit in RandomDraw(seed=1).retrieve("a", context)]
    assert draw == [hit.memory.id for hit in RandomDraw(seed=1).retrieve("a", context)]
    others = {
        tuple(h.memory.id for h in RandomDraw(seed=s).retrieve(q, context))
        for s in (1, 2)
        for q in "ab"
    }
    assert len(others) > 1


def test_both_stores_rank_by_vectors_alike():
    example = Example(id="x", observations=TEXTS, question="?", answers=("x",))
    for query in PARAPHRASES:
        hits = [Dense().retrieve(query, Context(example, fill(s, TEXTS))) for s in STORES.values()]
        ids = [[hit.memory.id for hit in h] for h in hits]
        assert ids[0] == ids[1]
        assert [h.score for h in hits[0]] == pytest.approx([h.score for h in hits[1]], abs=1e-5)


def test_hashed_vectors_have_unit_length_and_are_the_same_in_every_process():
    vectors = Hashing(dimensions=64).embed(["The pet of Bako is Zimo.", "", "?"])
    assert vectors.dtype == np.float32 and vectors.shape == (3, 64)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3))
    code = (
        "from memfactory_core.embedders.hashing import Hashing; "
        'print(Hashing(dimensions=64).embed(["The pet of Bako is Zimo."]).tobytes().hex())'
    )
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed},
        )
        assert done.stdout.strip() == vectors[:1].tobytes().hex(), done.stderr


def test_recall_and_ndcg_by_hand():
    assert recall([3, 1, None], {1, 2}) == 0.5
    assert ndcg([1, 2, 9], {1, 2}, 3) == 1.0
    assert ndcg([9, 1, 8], {1}, 3) == pytest.approx(1 / np.log2(3))
    assert ndcg([1], {1, 2, 3}, 1) == 1.0


def test_evaluation_counts_only_questions_with_evidence():
    def example(number: int, evidence: tuple[Evidence, ...]) -> Example:
        query = list(PARAPHRASES)[number]
        return Example(
            id=str(number), observations=TEXTS, question=query, answers=("x",), evidence=evidence,
            meta={"category": number % 2},
        )  # fmt: skip

    examples = [example(n, (Evidence(text="x", observation=n),)) for n in range(4)]
    examples += [example(4, ()), example(5, (Evidence(text="x"),))]
    result = evaluate_retriever(BM25(), examples, ks=(1, 3))
    assert set(result) == {"0", "1", "all"}
    assert result["all"]["recall@1"] == {
        "mean": 1.0, "low": None, "high": None, "n": 4, "clusters": 1,
    }, "four questions about one text"  # fmt: skip
    assert result["1"]["ndcg@3"]["n"] == 2
    with pytest.raises(ConfigError, match="no question has evidence"):
        evaluate_retriever(BM25(), examples[4:])


def test_own_bm25_beats_the_known_figures_on_locomo(data):
    path = str(data / "locomo" / "locomo6.json")
    examples = LoCoMo(path=path, observation="turn").examples(10_000, 0)
    one = [example for example in examples if example.meta["conversation"] == "conv-30"]
    results = {
        kind: evaluate_retriever(kinds("retrievers")[kind](), examples if kind == "bm25" else one)[
            "all"
        ]
        for kind in ("bm25", "dense", "hybrid", "random")
    }
    reached = [results["bm25"][f"recall@{k}"]["mean"] for k in (5, 10, 20)]
    assert [round(value, 3) for value in reached] == [0.547, 0.630, 0.693]
    assert results["bm25"]["recall@5"]["n"] == 883
    assert results["bm25"]["recall@5"]["clusters"] == 6
    assert (
        results["random"]["recall@20"]["mean"] < 0.15 < 0.25 < results["dense"]["recall@20"]["mean"]
    )
    assert results["hybrid"]["recall@5"]["mean"] > 0.439
