"""Facts about a question and its candidates, counted by hand on a small talk."""

import numpy as np
import pytest

from memfactory_core.embedders.hashing import Hashing
from memfactory_core.episode import Context
from memfactory_core.retrievers.bm25 import BM25
from memfactory_core.retrievers.everything import Everything
from memfactory_core.retrievers.facts import AROUND, FEATURES, measure_facts
from memfactory_core.retrievers.rerank_linear import RerankLinear
from memfactory_core.scoring.retrieval import fill
from memfactory_core.stores.ram import Ram
from memfactory_core.types import Example

TALK = (
    "[8 May, 2023] Ann: I painted the harbour.",
    "[8 May, 2023] Bob: Nice! When did you show it?",
    "[8 May, 2023] Ann: It hung in the museum last week. [picture: a boat on monday]",
    "[9 May, 2023] Bob: I was ill. [picture: rain, yesterday]",
)
EMBEDDER = Hashing(dimensions=64)


def facts(query, around=EMBEDDER, texts=TALK):
    """The facts by name, each with one number for each memory of the talk."""
    bank = fill(Ram(), texts)
    context = Context(Example(id="", observations=texts, question=query, answers=()), bank)
    hits = Everything().retrieve(query, context)
    near = EMBEDDER.embed(texts) @ EMBEDDER.embed([query])[0]
    table = measure_facts(query, hits, context, near, around)
    names = FEATURES + AROUND if around else FEATURES
    assert table.shape == (len(texts), len(names))
    return dict(zip(names, table.T, strict=True)), BM25().scores(query, bank), near


def test_what_lies_around_is_that_of_the_memory_at_that_place():
    found, scores, near = facts("When did Ann show what she painted?")
    words, none = scores / scores.max(), [0.0]
    for name, expected in {
        "words": words,
        "before": [*none, *words[:-1]],
        "after": [*words[1:], *none],
        "two before": [*none, *none, *words[:-2]],
        "two after": [*words[2:], *none, *none],
        "near": near,
        "near before": [*none, *near[:-1]],
        "near after": [*near[1:], *none],
        "near two before": [*none, *none, *near[:-2]],
        "near two after": [*near[2:], *none, *none],
    }.items():
        assert found[name] == pytest.approx(expected, abs=1e-6), name


def test_who_speaks_of_when_and_with_which_words():
    found, *_ = facts("When did Ann hang it in the museum?")
    assert found["speaker"].tolist() == [1, 0, 1, 0] and found["other"].tolist() == [0, 1, 0, 1]
    assert found["asks"].tolist() == [0, 1, 0, 0]
    assert found["time"].tolist() == [0, 1, 1, 0], "dates and pictures before and after do not tell"
    assert found["when"].tolist() == found["time"].tolist()
    told = found["told"]
    assert told[3] == told[2] > told[0] > 0, "the two lines before are understood with a line"
    nobody, *_ = facts("What hung in the museum?")
    assert not nobody["other"].any() and not nobody["speaker"].any() and not nobody["when"].any()


def test_rare_words_weigh_more():
    texts = ("Ann: the harbour", "-", "-", "Ann: the museum", "-", "-", "Ann: harbour", "-", "-")
    found, *_ = facts("harbour or museum?", texts=texts)
    assert found["told"][3] > found["told"][0] == found["told"][6]
    assert found["told"][0] + found["told"][3] == pytest.approx(1)


def test_without_the_talk_the_first_facts_are_the_same():
    query = "When did Ann show what she painted?"
    alone, *_ = facts(query, around=None)
    whole, *_ = facts(query)
    assert all(np.array_equal(alone[name], whole[name]) for name in FEATURES)


def test_a_reranker_over_the_talk_explains_every_fact():
    query = "When did Ann hang it in the museum?"
    retriever = RerankLinear(
        candidates=Everything(), embedder=EMBEDDER, scale=10.0, features=True, around=True
    )
    context = Context(
        Example(id="", observations=TALK, question=query, answers=()), fill(Ram(), TALK)
    )
    asked = retriever.retrieve(query, context)
    with pytest.raises(StopIteration) as end:
        next(asked)
    best = end.value.value[0]
    assert {f"rerank {name}" for name in ("vectors", *FEATURES, *AROUND)} <= set(best.scores)
    cosine = EMBEDDER.embed([query])[0] @ EMBEDDER.embed([best.memory.text])[0]
    assert best.scores["rerank vectors"] == pytest.approx(10 * cosine, abs=1e-4)
