"""What an index that follows a bank finds is what computing everything anew finds: the same ranks, ties in the bank's
order, after any writes."""

import math
import random

import numpy as np
import pytest

from memfactory_core.embedders import Embedder
from memfactory_core.embedders.hashing import Hashing
from memfactory_core.episode import Context
from memfactory_core.retrievers.bm25 import BM25, FEW, terms, word_index
from memfactory_core.retrievers.dense import Dense, vector_index
from memfactory_core.retrievers.hybrid import RANK, Hybrid
from memfactory_core.retrievers.recency import Recency
from memfactory_core.stores.ram import Ram, RamBank
from memfactory_core.types import Example, Op

NAMES = [f"{a}{b}" for a in ("ba", "ko", "zi", "mo", "ne") for b in ("ri", "to", "lu", "sa")]
QUERIES = (
    "What is the pet of bari?",
    "koto zilu",
    "nobody",
    "the",
    "What does nesa bari koto eat, and where?",
    "bari bari or zilu",
)


class Dull(Embedder, kind="dull_for_tests"):
    """Vectors without zeros."""

    def embed(self, texts):
        return Hashing(dimensions=64).embed(texts) * 0.9 + np.float32(0.01)


@pytest.fixture(params=["hashing", "dull"])
def embedder(request, registry):
    return Hashing() if request.param == "hashing" else Dull()


def sentence(draw):
    thing = draw.choice(["pet", "food", "sport"])
    told = f"The {thing} of {draw.choice(NAMES)} is {draw.choice(NAMES)}"
    return f"{told}{draw.choice(['', ' today', ' and will stay so, says ' + draw.choice(NAMES)])}."


def plain_words(query, texts, k1=1.5, b=0.75):
    """Okapi BM25 as it is written down."""
    counts = [terms(text) for text in texts]
    lengths = [count.total() for count in counts]
    mean = max(sum(lengths) / max(len(texts), 1), 1.0)
    scores = []
    for count, length in zip(counts, lengths, strict=True):
        score = 0.0
        for term, times in terms(query).items():
            spread = sum(term in other for other in counts)
            if count[term]:
                rarity = math.log(1 + (len(texts) - spread + 0.5) / (spread + 0.5))
                norm = k1 * (1 - b + b * length / mean)
                score += times * (rarity * count[term] * (k1 + 1) / (count[term] + norm))
        scores.append(score)
    return np.array(scores)


def plain_vectors(query, texts, embedder):
    """Cosines in double precision, equal for equal texts."""
    asked = embedder.embed([query])[0].astype(float)
    return np.array([row.astype(float) @ asked for row in embedder.embed(texts)])


def ranked(memories, scores, count):
    order = np.argsort(-scores, kind="stable")[:count]
    return [memories[i].id for i in order if scores[i] > 0]


def plain_fused(memories, parts, count, pool=50):
    fused = dict.fromkeys((memory.id for memory in memories), 0.0)
    for scores in parts:
        for rank, name in enumerate(ranked(memories, scores, pool), 1):
            fused[name] += 1 / (RANK + rank)
    best = sorted(fused, key=lambda name: -fused[name])[:count]
    return [name for name in best if fused[name] > 0]


def check(context, bank, embedder):
    memories = bank.all()
    texts = [memory.searched_text for memory in memories]
    for query in QUERIES:
        words = plain_words(query, texts)
        near = plain_vectors(query, texts, embedder) if texts else np.zeros(0)
        assert BM25().scores(query, context.bank) == pytest.approx(words, abs=1e-9)
        other = BM25(k1=0.3, b=1.0).scores(query, context.bank)
        assert other == pytest.approx(plain_words(query, texts, 0.3, 1.0), abs=1e-9)
        index = vector_index(context.bank, embedder)
        exact, near = near, index.in_order(index.scores(query))
        # single precision: ranks are compared with the scores that are equal to the exact ones up to it
        assert near == pytest.approx(exact, abs=1e-6)
        assert all(
            near[i] == near[k] for i, one in enumerate(texts) for k in range(i) if texts[k] == one
        )
        for retriever, wanted in (
            (BM25(top_k=7), ranked(memories, words, 7)),
            (Dense(top_k=7, embedder=embedder), ranked(memories, near, 7)),
            (Hybrid(top_k=7, embedder=embedder), plain_fused(memories, (words, near), 7)),
        ):
            found = [hit.memory.id for hit in retriever.retrieve(query, context)]
            assert found == wanted, (retriever.kind, query)
    newest = sorted(memories, key=lambda memory: memory.updated, reverse=True)[:7]
    assert [hit.memory for hit in Recency(top_k=7).retrieve("", context)] == newest


class Silent(RamBank):
    """A bank that keeps no journal."""

    journal = None


@pytest.mark.parametrize("bank_of", [RamBank, Silent])
@pytest.mark.parametrize("seed", range(3))
def test_after_any_writes_the_ranks_are_those_of_the_plain_way(
    seed, bank_of, embedder, monkeypatch
):
    monkeypatch.setattr("memfactory_core.stores.ram.JOURNAL", 8)
    monkeypatch.setattr("memfactory_core.retrievers.index.SPARE", 5)
    draw = random.Random(seed)
    bank = bank_of(capacity=1000, budget=100_000)
    context = Context(Example(id="x", observations=(), question="?", answers=()), bank)
    check(context, bank, embedder)
    for round_ in range(12):
        for _ in range(draw.choice([1, 1, 2, 9])):
            ids = [memory.id for memory in bank.all()]
            action = draw.choice(["add", "add", "update", "delete"]) if ids else "add"
            if action == "delete" and draw.random() < 0.5:
                gone = bank.get(draw.choice(ids))
                context.apply([Op(action="delete", memory_id=gone.id)])
                context.restore(gone, "brought back")
                continue
            op = Op(action=action, text=sentence(draw), memory_id=draw.choice(ids) if ids else None)
            context.apply([op])
        if round_ == 6:
            bank.hold(draw.sample(bank.all(), len(bank.all()) // 2), bank.next_id)
        check(context, bank, embedder)


def test_memories_that_are_gone_are_cleared_away_in_time(monkeypatch):
    monkeypatch.setattr("memfactory_core.retrievers.index.SPARE", 5)
    bank = Ram().open()
    context = Context(Example(id="x", observations=(), question="?", answers=()), bank)
    context.apply([Op(action="add", text="The pet of bari is koto.")])
    for number in range(50):
        context.apply(
            [Op(action="update", memory_id="1", text=f"The pet of bari is number {number}.")]
        )
        assert [hit.memory.id for hit in Hybrid().retrieve("bari", context)] == ["1"]
        assert len(word_index(context.bank).at_place) <= 9


def test_columns_that_are_full_are_kept_whole_and_say_the_same(monkeypatch):
    monkeypatch.setattr("memfactory_core.retrievers.vector_index.AT_ONCE", 4)
    bank = Ram().open()
    context = Context(Example(id="x", observations=(), question="?", answers=()), bank)
    draw = random.Random(0)
    for _ in range(8):
        context.apply([Op(action="add", text=sentence(draw)) for _ in range(5)])
        check(context, bank, Hashing())
    assert vector_index(context.bank, Hashing()).full


@pytest.mark.parametrize("top_k", [1, 3, 20])
def test_few_memories_are_found_without_an_index_as_with_one(monkeypatch, top_k):
    """The same hits with the same scores to the last bit, ties in the bank's order."""
    draw = random.Random(top_k)
    example = Example(id="x", observations=(), question="?", answers=())
    for count in range(FEW + 2):
        bank = RamBank(capacity=1000, budget=100_000)
        context = Context(example, bank)
        texts = [sentence(draw) for _ in range(count)]
        context.apply([Op(action="add", text=text) for text in texts + texts[:2]])
        for query in QUERIES:
            retriever = BM25(
                top_k=top_k, k1=draw.choice([0.0, 0.3, 1.5]), b=draw.choice([0.0, 0.75, 1.0])
            )
            found = retriever.retrieve(query, context)
            assert bool(bank.kept) == (count + len(texts[:2]) > FEW)
            bank.kept.clear()
            with monkeypatch.context() as patch:
                patch.setattr("memfactory_core.retrievers.bm25.FEW", -1)
                assert found == retriever.retrieve(query, context)
            bank.kept.clear()
