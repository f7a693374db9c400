"""Intervals draw whole texts: questions about one text are not independent."""

import statistics

import pytest

from memfactory_core.retrievers.bm25 import BM25
from memfactory_core.scoring.evaluate import summarize
from memfactory_core.scoring.intervals import interval, paired
from memfactory_core.scoring.retrieval import evaluate_retriever
from memfactory_core.trace import Episode
from memfactory_core.types import Evidence, Example, Question


def width(found: dict) -> float:
    return found["high"] - found["low"]


def test_ten_questions_of_one_text_are_worth_one():
    texts = [float(number % 2) for number in range(20)]
    values = [value for value in texts for _ in range(10)]
    clusters = [number for number in range(20) for _ in range(10)]
    whole = interval(values, clusters)
    assert whole == interval(texts) | {"n": 200, "clusters": 20}
    assert width(whole) > 2.5 * width(interval(values))


def test_the_mean_is_of_the_values_and_large_texts_weigh_more():
    found = interval([1.0, 1.0, 1.0, 0.0], ["a", "a", "a", "b"])
    assert (found["mean"], found["n"], found["clusters"]) == (0.75, 4, 2)
    assert (found["low"], found["high"]) == (0.0, 1.0)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    import numpy as np

    rng = np.random.default_rng(7)
    covered = {"texts": 0, "values": 0}
    for seed in range(200):
        values, clusters = [], []
        for text in range(30):
            level = rng.normal()
            values += list(level + 0.1 * rng.normal(size=8))
            clusters += [text] * 8
        for name, groups in (("texts", clusters), ("values", None)):
            found = interval(values, groups, resamples=300, seed=seed)
            covered[name] += found["low"] <= 0 <= found["high"]
    assert covered["texts"] >= 180 and covered["values"] < 130


@pytest.mark.parametrize(("values", "clusters"), [([0.5], None), ([0.0, 1.0, 1.0], ["a"] * 3)])
def test_one_text_alone_has_a_mean_and_no_interval(values, clusters):
    found = interval(values, clusters)
    assert found["mean"] == pytest.approx(statistics.fmean(values))
    assert (found["low"], found["high"], found["clusters"]) == (None, None, 1)


def test_a_paired_difference_draws_whole_texts_too():
    first = {f"{text}-{n}": {"f1": 0.0} for text in range(12) for n in range(5)}
    second = {f"{text}-{n}": {"f1": float(text % 3 == 0)} for text in range(12) for n in range(5)}
    texts = {name: name.split("-")[0] for name in first}
    apart, whole = paired(first, second)["f1"], paired(first, second, texts)["f1"]
    assert (whole["n"], whole["clusters"], apart["clusters"]) == (60, 12, 60)
    assert whole["difference"] == apart["difference"] == pytest.approx(1 / 3)
    assert width(whole) > 1.8 * width(apart)


def episode(name: str, text: str, answers: list[str]) -> Episode:
    asked = [Question(question=f"q{n}", answers=("x",)) for n in range(len(answers))]
    example = Example(
        id=name, observations=(text,), question="q0", answers=("x",), others=tuple(asked[1:])
    )
    return Episode(
        id=name, group_id=name, example=example, answer=answers[0],
        other_answers=tuple(answers[1:]), scores={"exact_match": 0.0, "memories": 1.0},
    )  # fmt: skip


def test_a_summary_counts_questions_and_the_texts_they_are_about():
    asked = [episode(f"e{n}", f"text {n}", ["x" if n % 2 else "y"] * 6) for n in range(8)]
    summary = summarize(asked)
    assert (summary["exact_match"]["n"], summary["exact_match"]["clusters"]) == (48, 8)
    assert (summary["memories"]["n"], summary["memories"]["clusters"]) == (8, 8)
    assert width(summary["exact_match"]) == width(interval([n % 2 for n in range(8)]))
    apart = summarize([episode(f"e{n}", "one text", ["x" if n % 2 else "y"]) for n in range(8)])
    assert apart["exact_match"] == {
        "mean": 0.0, "low": None, "high": None, "n": 8, "clusters": 1,
    }  # fmt: skip


def test_retrieval_draws_whole_texts():
    examples = [
        Example(
            id=f"{text}-{n}", observations=(f"{text} rides a Kato", "rain fell"),
            question=f"What does {text} ride?" if n % 2 else "rain", answers=("x",),
            evidence=(Evidence(text="x", observation=0),),
        )
        for text in ("Ann", "Ben", "Cy")
        for n in range(4)
    ]  # fmt: skip
    found = evaluate_retriever(BM25(), examples, ks=(1,))["all"]["recall@1"]
    assert (found["mean"], found["n"], found["clusters"]) == (0.5, 12, 3)
