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
        ({"context": "x", "input": "q"}, "field 'answers': is missing, and so is reward_model"),
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
