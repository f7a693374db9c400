"""Evaluation of retrievers without a policy: every observation is one memory, the bank is built
once for all questions about it, and what counts is how much of the evidence stands among the first
k hits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from memfactory_core.assignment import flatten
from memfactory_core.episode import Context, steps
from memfactory_core.errors import ConfigError
from memfactory_core.retrievers import Retriever
from memfactory_core.scoring.evaluate import Summary
from memfactory_core.scoring.intervals import interval
from memfactory_core.stores import Bank, Store
from memfactory_core.stores.ram import Ram
from memfactory_core.trace import Wrote
from memfactory_core.types import Example, Hit, Op

ALL = "all"
"""The category under which all questions are summed up."""
LARGE = Ram(capacity=1_000_000, budget=100_000_000)


def name_retrievers(retrievers: Sequence[Retriever]) -> dict[str, Retriever]:
    """Each by its kind; several of one kind also by the settings in which they differ, `dense (embedder.kind=hashing)`.
    A second one with the same settings is left out."""
    told = {one.model_dump_json(): one for one in retrievers}
    settings = {key: flatten(one.model_dump(mode="json")) for key, one in told.items()}
    named = {}
    for key, one in told.items():
        others = [settings[other] for other in told if told[other].kind == one.kind]
        names = dict.fromkeys(name for each in others for name in each)
        apart = [
            f"{name}={settings[key][name]}"
            for name in names
            if name in settings[key] and len({str(each.get(name)) for each in others}) > 1
        ]
        # results are named retriever/category/score
        label = f"{one.kind} ({', '.join(apart)})" if apart else one.kind
        named[label.replace("/", "\u2215")] = one
    return named


@dataclass(frozen=True)
class Scored:
    """One question with its scores: the category, the text that it is about, {"recall@5": 0.5, ...}."""

    category: str
    text: str
    scores: dict[str, float]


def evaluate_retriever(
    retriever: Retriever,
    examples: Sequence[Example],
    ks: Sequence[int] = (5, 10, 20),
    store: Store = LARGE,
) -> dict[str, Summary]:
    """{category: {"recall@5": interval, ...}}, per category and for `all`: see `score_questions` and `summarize`."""
    return summarize(score_questions(retriever, examples, ks, store))


def score_questions(
    retriever: Retriever,
    examples: Sequence[Example],
    ks: Sequence[int] = (5, 10, 20),
    store: Store = LARGE,
) -> list[Scored]:
    """Recall and NDCG of the evidence at each k for each question. One whose evidence names no observation is left
    out. ConfigError where none is left, or the retriever needs a policy."""
    scored = []
    for example, hits in retrieve_all(retriever, examples, max(ks), store):
        needed = needed_observations(example)
        scores = {}
        for k in ks:
            found = [hit.memory.source for hit in hits[:k]]
            scores[f"recall@{k}"] = recall(found, needed)
            scores[f"ndcg@{k}"] = ndcg(found, needed, k)
        scored.append(Scored(str(example.meta.get("category", "")), example.text, scores))
    if not scored:
        raise ConfigError("no question has evidence that names an observation; nothing to retrieve")
    return scored


def summarize(scored: Sequence[Scored]) -> dict[str, Summary]:
    """The scores per category and for `all`; `n` says how many questions counted. The questions about one text are
    not independent: intervals draw whole texts, `clusters` says how many."""
    groups: dict[str, list[Scored]] = {ALL: list(scored)}
    for one in scored:
        if one.category:
            groups.setdefault(one.category, []).append(one)
    return {
        category: {
            name: interval([one.scores[name] for one in group], [one.text for one in group])
            for name in group[0].scores
        }
        for category, group in sorted(groups.items())
    }


def add_gains(scored: Sequence[Scored], rival: Sequence[Scored], name: str) -> list[Scored]:
    """The same with how much higher each recall is than that of the retriever `name` on the same questions,
    `recall@5 over bm25`."""
    return [
        replace(
            one,
            scores=one.scores
            | {
                f"{score} over {name}": value - other.scores[score]
                for score, value in one.scores.items()
                if score.startswith("recall")
            },
        )
        for one, other in zip(scored, rival, strict=True)
    ]


def retrieve_all(
    retriever: Retriever, examples: Sequence[Example], top_k: int, store: Store = LARGE
) -> list[tuple[Example, list[Hit]]]:
    """The hits for every question that has evidence; examples that follow each other with the same
    observations share a bank. ConfigError where the retriever needs a policy."""
    if "top_k" in type(retriever).model_fields:
        retriever = retriever.model_copy(update={"top_k": top_k})
    results = []
    for example, bank in banks(examples, store):
        results.append((example, retrieve(retriever, example, bank)[:top_k]))
    return results


def retrieve(retriever: Retriever, example: Example, bank: Bank) -> list[Hit]:
    """The hits for the example's question, best first, without a policy. ConfigError where the retriever asks
    one."""
    asked = steps(retriever.retrieve(example.question, Context(example, bank)))
    try:
        next(asked)
    except StopIteration as end:
        return list(end.value)
    asked.close()
    raise ConfigError(
        f"the retriever {retriever.kind!r} asks a policy; evaluate it in a paradigm instead"
    )


def banks(examples: Sequence[Example], store: Store) -> Iterator[tuple[Example, Bank]]:
    """Each question with evidence, as an example of its own, and a bank of its observations; those
    that follow each other with the same observations share it."""
    observations: tuple[str, ...] | None = None
    bank: Bank | None = None
    for example in (one for several in examples for one in several.single_questions):
        if not needed_observations(example):
            continue
        if bank is None or example.observations != observations:
            if bank:
                bank.close()
            observations, bank = example.observations, fill(store, example.observations)
        yield example, bank
    if bank:
        bank.close()


def fill(store: Store, observations: Sequence[str]) -> Bank:
    """A bank with one memory for each observation, its index as the source. ConfigError where the store
    refuses one."""
    bank = store.open()
    context = Context(Example(id="", observations=(), question="", answers=()), bank)
    for context.at, observation in enumerate(observations):
        context.apply([Op(action="add", text=observation)])
    refused = [e for e in context.events if isinstance(e, Wrote) and e.action == "reject"]
    if refused:
        raise ConfigError(
            f"observation {refused[0].at} cannot be kept in the store {store.kind!r}: {refused[0].reason}"
        )
    return bank


def needed_observations(example: Example) -> set[int]:
    """The observations that state the evidence."""
    return {item.observation for item in example.evidence if item.observation is not None}


def recall(found: Sequence[int | None], needed: set[int]) -> float:
    """The share of the needed that was found."""
    return len(needed.intersection(found)) / len(needed)


def ndcg(found: Sequence[int | None], needed: set[int], k: int) -> float:
    """Discounted gain of the found, divided by that of a perfect order."""
    gain = sum(1 / math.log2(rank + 2) for rank, one in enumerate(found[:k]) if one in needed)
    return gain / sum(1 / math.log2(rank + 2) for rank in range(min(k, len(needed))))
