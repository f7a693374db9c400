"""MemAgent's files: json and parquet, documents in another order, several golds."""

from __future__ import annotations

import pytest

from memfactory_core.errors import ConfigError
from memfactory_core.tasks.memagent_file import MemAgentFile
from memfactory_core.text import words
from tests.tasks.records import (
    ALL,
    DOCUMENTS,
    write,
)


def test_memagent_files_json_and_parquet(tmp_path):
    evaluation = {
        "context": DOCUMENTS,
        "input": "What?",
        "answers": ["3", "three"],
        "num_docs": 8,
        "index": 0,
    }
    training = {
        "context": DOCUMENTS, "prompt": [{"role": "user", "content": "What?"}],
        "reward_model": {"ground_truth": ["3", "three"], "style": "rule"},
        "extra_info": {"index": 0, "num_docs": 8},
    }  # fmt: skip
    one = MemAgentFile(path=write(tmp_path, "a.json", [evaluation]), section=100).examples(ALL, 0)
    two = MemAgentFile(path=write(tmp_path, "a.parquet", [training]), section=100).examples(ALL, 0)
    assert one == two
    [example] = one
    assert example.answers == ("3", "three") and example.meta == {"documents": 8}
    assert "\n\n".join(example.observations) == DOCUMENTS and len(example.observations) == 4


def test_memagent_documents_are_put_into_another_order_on_request(tmp_path):
    record = {"context": DOCUMENTS, "input": "What?", "answers": ["3"]}
    path = write(tmp_path, "a.json", [record] * 3)
    orders = set()
    for example in MemAgentFile(path=path, shuffle=True).examples(ALL, 0):
        [text] = example.observations
        assert text.startswith("Document 1:\nTitle") and text.count("Document ") == 8
        assert sorted(words(text)) == sorted(words(DOCUMENTS))
        orders.add(text)
    assert len(orders) == 3


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"context": "x", "input": "q"}, "field 'answers': is missing, and so are outputs"),
        ({"context": "x", "answers": ["a"]}, "field 'input': is missing"),
        ({"context": 3, "input": "q", "answers": ["a"]}, "field 'context': expected text, got 3"),
        ({"context": "x", "input": "q", "answers": []}, "field 'answers': is empty"),
        (
            {"context": "x", "prompt": ["q"], "answers": ["a"]},
            "field 'prompt': item 1: expected a table",
        ),
    ],
)
def test_a_broken_memagent_record_is_named(record, message, tmp_path):
    with pytest.raises(ConfigError, match=r"broken\.json, record 1, " + message):
        MemAgentFile(path=write(tmp_path, "broken.json", [record])).examples(ALL, 0)


SEVERAL = {"context": "aa bb aa cc", "input": "Which?", "index": 0}


@pytest.mark.parametrize(
    ("name", "field", "golds", "every"),
    [
        ("eval_fwe.json", "answers", "auto", True), ("eval_niah_multivalue_8k.json", "answers", "auto", True),
        ("mine.json", "outputs", "auto", True), ("qa_1.json", "outputs", "auto", False),
        ("eval_50.json", "answers", "auto", False), ("advt.json", "answers", "auto", False),
        ("eval_50.json", "answers", "all", True), ("eval_fwe.json", "outputs", "any", False),
    ],
)  # fmt: skip
def test_one_of_several_golds_is_right_only_where_they_are_wordings_of_one(
    name, field, golds, every, tmp_path
):
    path = write(tmp_path, name, [SEVERAL | {field: ["aaxoo", "bbiru", "ccpel"]}])
    [example] = MemAgentFile(path=path, golds=golds).examples(ALL, 0)
    assert example.questions[0].all_of == (("aaxoo", "bbiru", "ccpel") if every else ())
    assert example.answers[0] == ("aaxoo, bbiru, ccpel" if every else "aaxoo")


def test_numbers_of_documents_in_place_of_their_text_are_explained(tmp_path):
    path = write(tmp_path, "eval_12800.json", [SEVERAL | {"context": [5, 17, 3], "answers": ["a"]}])
    with pytest.raises(
        ConfigError, match="record 1, field 'context': holds the numbers of documents .*'hotpotqa'"
    ):
        MemAgentFile(path=path).examples(ALL, 0)


@pytest.mark.parametrize("prefix", ["", " Answer: The special magic numbers are"])
def test_rulers_own_files_hold_text_and_question_in_one_field(prefix, tmp_path):
    text = "Some numbers are hidden here.\nOne number for kite is: 12.\nOne number for kite is: 34."
    record = {
        "index": 3,
        "input": f"{text}\nWhat are all the numbers for kite?{prefix}",
        "outputs": ["12", "34"],
    }
    more = {"answer_prefix": prefix} if prefix else {}
    [example] = MemAgentFile(path=write(tmp_path, "niah.jsonl", [record | more])).examples(ALL, 0)
    assert example.observations == (text,)
    assert example.question == "What are all the numbers for kite?"
    assert example.questions[0].all_of == ("12", "34")
    path = write(tmp_path, "one.jsonl", [record | {"input": "What?"}])
    with pytest.raises(ConfigError, match="line 1, field 'input': holds one line"):
        MemAgentFile(path=path).examples(ALL, 0)
