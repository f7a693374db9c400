"""HotpotQA: which documents are read, what is needed of them, and what a broken record says."""

from __future__ import annotations

from collections import Counter

import pytest

from memfactory_core.config import load
from memfactory_core.errors import ConfigError
from memfactory_core.scoring.evaluate import evaluate
from memfactory_core.tasks.hotpotqa import HotpotQA
from tests.tasks.records import (
    ALL,
    check_evidence,
    hotpot,
    other,
    write,
)


@pytest.mark.parametrize("documents", [10, 50, 100])
def test_hotpotqa_fills_up_with_other_records_documents(documents, data):
    path = str(data / "hotpotqa" / "hotpot_dev_60.json")
    task = HotpotQA(path=path, documents=documents, documents_per_section=5)
    examples = task.examples(ALL, seed=0)
    assert len(examples) == 60 and check_evidence(examples) == 147
    for example in examples:
        texts = [line for observation in example.observations for line in observation.split("\n")]
        assert len(texts) == len(set(texts)) == documents
        assert len(example.observations) == documents // 5
    places = Counter(place for example in examples for place in example.meta["positions"])
    assert len(places) >= min(documents, 40), "the needed documents move about"
    assert task.examples(ALL, seed=0) == examples
    assert task.examples(ALL, seed=1) != examples
    assert [len(task.examples(count, 0)) for count in (1, 7)] == [1, 7]
    assert task.files() == [path]


def test_hotpotqa_reads_the_original_layout_alike(tmp_path):
    table = hotpot(_id="a1")
    pairs = hotpot(
        _id="a1",
        supporting_facts=[["Dune", 0], ["Frank Herbert", 1]],
        context=[list(pair) for pair in zip(*hotpot()["context"].values(), strict=True)],
    )
    one, two = (
        HotpotQA(path=write(tmp_path, name, [record]), documents=3).examples(1, 0)
        for name, record in (("a.json", table), ("b.jsonl", pairs))
    )
    assert one == two
    [example] = HotpotQA(path=write(tmp_path, "c.parquet", [table]), documents=3).examples(1, 0)
    assert example == one[0]
    assert sorted(example.observations)[0] == "Dune: Dune is a novel by F. Herbert. It won a prize."
    assert [item.text for item in example.evidence] == [
        "Dune is a novel by F. Herbert.", "He was born in Tacoma.",
    ]  # fmt: skip


def test_hotpotqa_never_takes_a_distractor_with_a_title_of_the_examples_own(tmp_path):
    records = [hotpot(), *(other(number) for number in range(4))]
    path = write(tmp_path, "a.json", records)
    for seed in range(5):
        for example in HotpotQA(path=path, documents=5).examples(ALL, seed):
            assert sum("Sand is small" in text for text in example.observations) == 1
    with pytest.raises(ConfigError, match=r"a\.json: holds 7 different documents, too few"):
        HotpotQA(path=path, documents=8).examples(ALL, 0)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (hotpot(question=""), "record 2, field 'question': is empty"),
        (hotpot(answer=None), "record 2, field 'answer': expected .*, got nothing"),
        (
            hotpot(context="text"),
            "record 2, field 'context': expected a table or a list, got 'text'",
        ),
        (
            hotpot(context={"title": ["a"], "sentences": []}),
            "field 'context': 1 titles but 0 lists",
        ),
        (hotpot(context=[["title"]]), "field 'context': expected pairs"),
        (
            hotpot(supporting_facts=[["Dune", "0"]]),
            "field 'supporting_facts': expected pairs of str and int",
        ),
        ({"question": "x"}, "record 2, field 'context': is missing; the fields here are question"),
        ("text", "record 2: expected a table of fields, got 'text'"),
    ],
)
def test_a_broken_hotpotqa_record_is_named(record, message, tmp_path):
    path = write(tmp_path, "broken.json", [hotpot(), record])
    with pytest.raises(ConfigError, match=r"broken\.json, " + f".*{message}"):
        HotpotQA(path=path, documents=3).examples(ALL, 0)


def test_the_scripted_policy_keeps_more_evidence_than_chance_on_hotpotqa(data):
    kept = {}
    for strategy in ("overlap", "random", "clairvoyant"):
        path = data / "hotpotqa" / "hotpot_dev_60.json"
        config = load("hotpotqa-scripted", [f"task.path={path}", f"policy.strategy={strategy}"])
        examples = config.held_out.examples(60, 1, "heldout")
        summary = evaluate(config.paradigm, config.policy.load(), examples, config.reward)
        kept[strategy] = summary["greedy"]["kept"]
    assert kept["clairvoyant"]["mean"] == 1.0, "the pipeline itself loses no evidence"
    assert kept["random"]["high"] < 0.3 < kept["overlap"]["low"]


def test_a_supporting_fact_that_no_page_states_is_left_out_and_listed(tmp_path):
    facts = [["Dune", 0], ["Nobody", 0], ["Sand", 7], ["Frank Herbert", -1]]
    path = write(tmp_path, "a.json", [hotpot(supporting_facts=facts), hotpot()])
    fullwiki, whole = HotpotQA(path=path, documents=3).examples(ALL, 0)
    assert [item.text for item in fullwiki.evidence] == ["Dune is a novel by F. Herbert."]
    assert fullwiki.meta["missing_evidence"] == [
        "Nobody, sentence 0", "Sand, sentence 7", "Frank Herbert, sentence -1",
    ]  # fmt: skip
    assert len(whole.evidence) == 2 and "missing_evidence" not in whole.meta
    check_evidence([fullwiki, whole])


def test_two_pages_with_one_title_are_both_read_and_the_fact_is_of_the_one_that_has_it(tmp_path):
    context = [
        ["Rex", ["Rex is a name."]],
        ["Rex", ["Rex is a dog.", "He barks."]],
        ["Sand", ["It is small."]],
    ]
    record = hotpot(context=context, supporting_facts=[["Rex", 1], ["Rex", 0]])
    [example] = HotpotQA(path=write(tmp_path, "a.json", [record]), documents=3).examples(ALL, 0)
    assert sorted(example.observations) == [
        "Rex: Rex is a dog. He barks.", "Rex: Rex is a name.", "Sand: It is small.",
    ]  # fmt: skip
    assert [item.text for item in example.evidence] == ["He barks.", "Rex is a name."]
    assert check_evidence([example]) == 2
