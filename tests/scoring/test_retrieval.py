"""Retrievers without a policy: several settings of one kind in one comparison, a reranker's parts alone."""

import numpy as np
import pytest

from memfactory_core.config import load
from memfactory_core.embedders.hashing import Hashing
from memfactory_core.errors import ConfigError
from memfactory_core.retrievers.bm25 import BM25
from memfactory_core.retrievers.dense import Dense
from memfactory_core.retrievers.rerank_linear import Weights
from memfactory_core.runs.retrieval_modes import compare, rerank
from memfactory_core.scoring.retrieval import name_retrievers
from memfactory_core.training.reranker import train_reranker


def test_retrievers_of_one_kind_are_told_apart_by_the_settings_in_which_they_differ():
    small, large = (Dense(embedder=Hashing(dimensions=size)) for size in (64, 512))
    named = name_retrievers([BM25(), small, large, small])
    assert named == {
        "bm25": BM25(), "dense (embedder.dimensions=64)": small, "dense (embedder.dimensions=512)": large,
    }  # fmt: skip


def test_a_name_has_no_slash_for_results_are_told_apart_by_them():
    two = [Dense(embedder=Hashing()), Dense(top_k=7)]
    assert not any("/" in name for name in name_retrievers(two))
    recipe = [
        "mode=retrieve", "evaluation.examples=3",
        'retrieval.retrievers=["bm25", {"kind": "dense", "top_k": 3}, {"kind": "dense", "embedder": '
        '{"kind": "hashing", "dimensions": 64}}]',
    ]  # fmt: skip
    config = load("memory-r1-tiny", recipe)
    results = compare(config, config.held_out.examples(3, 1000, "heldout"))
    kinds = {path.split("/")[0] for path in results}
    assert len(kinds) == 3 and all(path.count("/") == 2 for path in results)


RERANK = [
    "mode=rerank", "evaluation.examples=12", "paradigm.retriever=rerank_linear", "paradigm.retriever.features=true",
    'retrieval.retrievers=["bm25", "random"]', "retrieval.ks=[1, 3]", "reranking.steps=40", "reranking.examples=30",
    "reranking.likelihood=drawn", "reranking.baseline=mean", 'reranking.alone=["maps", "features"]',
]  # fmt: skip


def test_maps_and_features_are_trained_alone_beside_both_with_gains_over_the_best_untrained(
    tmp_path,
):
    config = load("memory-r1-tiny", RERANK)
    held_out = config.held_out.examples(12, 1000, "heldout")
    seen = []
    before, after = rerank(config, held_out, tmp_path, lambda step, values: seen.append(step))
    assert seen == list(range(1, 41)), "the curve is that of the whole reranker"
    assert {path.split("/")[0] for path in before} == {"bm25", "random", "rerank_linear"}
    names = ("rerank_linear", "rerank_linear (maps alone)", "rerank_linear (features alone)")
    assert {path.split("/")[0] for path in after} == set(names)
    best = before["bm25/all/recall@1"]["mean"]
    assert best > before["random/all/recall@1"]["mean"]
    for name in names:
        gain, found = (after[f"{name}/all/recall@1{end}"] for end in (" over bm25", ""))
        assert gain["mean"] == pytest.approx(found["mean"] - best), name
        assert gain["n"] == found["n"] and gain["low"] <= gain["mean"] <= gain["high"]
    files = ("reranker", "maps", "features")
    both, maps, features = (Weights.load(tmp_path / f"{name}.safetensors") for name in files)
    assert both.query.any() and both.memory.any() and both.features.tolist() != [4, *[0] * 7]
    assert maps.query.any() and not maps.features.any()
    assert not features.query.any() and not features.memory.any() and features.features[1:].any()


def test_the_rate_of_the_maps_is_their_own_and_parts_alone_need_both():
    config = load("memory-r1-tiny", RERANK)
    examples, retriever = config.task.examples(10, 0), config.paradigm.retriever
    slow, fast = (
        train_reranker(
            retriever, examples, config.reranking.model_copy(update={"steps": 1, "map_rate": rate}), 0
        )
        for rate in (0.001, 0.01)
    )  # fmt: skip
    assert fast.query == pytest.approx(10 * slow.query, rel=1e-3) and slow.query.any()
    assert np.array_equal(fast.features, slow.features)
    with pytest.raises(ConfigError, match="reranking.alone .*paradigm.retriever.features to true"):
        load("memory-r1-tiny", [*RERANK, "paradigm.retriever.features=false"])
