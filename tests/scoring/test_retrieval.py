"""Retrievers without a policy: several settings of one kind in one comparison."""

from memfactory_core.config import load
from memfactory_core.embedders.hashing import Hashing
from memfactory_core.retrievers.bm25 import BM25
from memfactory_core.retrievers.dense import Dense
from memfactory_core.runs.retrieval_modes import compare
from memfactory_core.scoring.retrieval import name_retrievers


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
