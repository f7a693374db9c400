"""FactConsolidation: numbered facts in sections."""

from __future__ import annotations

import pytest

from memfactory_core.errors import ConfigError
from memfactory_core.tasks.factconsolidation import FactConsolidation
from tests.tasks.records import (
    ALL,
    facts,
    write,
)


def test_factconsolidation_batches_numbered_facts(tmp_path):
    path = write(tmp_path, "a.json", [facts(), facts(metadata={"source": "x_mh_6k"})])
    task = FactConsolidation(path=path, facts_per_section=2, source="sh_6k", together=False)
    first, second = task.examples(ALL, 0)
    assert first.observations == ("0. A is in B.\n1. C is D.", "2. A is in E.")
    assert (first.answers, second.answers) == (("E",), ("D",))
    [both] = FactConsolidation(path=path, source="sh_6k").examples(ALL, 0)
    assert [question.answers for question in both.questions] == [("E",), ("D",)]
    [plain, *_] = FactConsolidation(path=path, numbers=False).examples(ALL, 0)
    assert plain.observations == ("A is in B.\nC is D.\nA is in E.",)


def test_factconsolidation_as_published(data):
    path = str(data / "factconsolidation" / "conflict_resolution_small.json")
    examples = FactConsolidation(path=path).examples(ALL, 0)
    assert len(FactConsolidation(path=path, together=False).examples(ALL, 0)) == 400
    counts = {e.meta["category"].split("_", 1)[1]: len(e.questions) for e in examples}
    assert counts == {
        "mh_6k": 100, "mh_32k": 100, "sh_6k": 100, "sh_32k": 100,
    }  # fmt: skip
    for example in examples:
        lines = "\n".join(example.observations).split("\n")
        assert len(lines) == example.meta["facts"]
        assert lines[-1].split(".")[0] == str(len(lines) - 1), "no fact is lost, none is split"


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (facts(context="no numbers"), "record 1, field 'context': holds no numbered facts"),
        (facts(answers=[["E"]]), "record 1, field 'answers': 1 answers for 2 questions"),
        (facts(answers=[["E"], {}]), "record 1, question 2, field 'answers': expected"),
        (facts(questions=[1, 2]), "record 1, field 'questions': item 1: expected text, got 1"),
    ],
)
def test_a_broken_factconsolidation_record_is_named(record, message, tmp_path):
    with pytest.raises(ConfigError, match=r"broken\.json, .*" + message):
        FactConsolidation(path=write(tmp_path, "broken.json", [record])).examples(ALL, 0)


def test_a_source_that_is_not_there_is_answered_with_those_that_are(tmp_path):
    path = write(tmp_path, "a.json", [facts(), facts(metadata={"source": "x_mh_6k"})])
    with pytest.raises(
        ConfigError, match="like 'SH_6K'; there are x_sh_6k, x_mh_6k; did you mean 'x_sh_6k'"
    ):
        FactConsolidation(path=path, source="SH_6K").examples(ALL, 0)
