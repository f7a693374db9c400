"""LongMemEval: sessions, evidence, and questions without an answer."""

from __future__ import annotations

import pytest

from memfactory_core.errors import ConfigError
from memfactory_core.tasks.longmemeval import LongMemEval
from tests.tasks.records import (
    ALL,
    longmemeval,
    write,
)


def test_longmemeval_sessions_turns_and_evidence(tmp_path):
    path = write(tmp_path, "a.json", [longmemeval()])
    [example] = LongMemEval(path=path).examples(ALL, 0)
    assert example.observations[1] == "[2023/05/02]\nUser: I have two cats.\nAssistant: Lovely."
    assert (example.question, example.answers) == ("[2023/06/01] How many cats?", ("2",))
    [item] = example.evidence
    assert (item.text, item.observation) == ("User: I have two cats.", 1)
    [example] = LongMemEval(path=path, observation="turn", dates=False).examples(ALL, 0)
    assert len(example.observations) == 4 and example.question == "How many cats?"
    assert example.evidence[0].observation == 2
    assert LongMemEval(path=path, types=("multi-session",)).examples(ALL, 0) == []


def test_longmemeval_without_marks_and_without_an_answer(tmp_path):
    sessions = [[{"role": "user", "content": "Hello."}], [{"role": "user", "content": "Two cats."}]]
    records = [longmemeval(haystack_sessions=sessions), longmemeval(question_id="q2_abs")]
    path = write(tmp_path, "a.jsonl", records)
    whole, abstain = LongMemEval(path=path).examples(ALL, 0)
    assert [item.text for item in whole.evidence] == ["User: Two cats."]
    assert abstain.evidence == () and abstain.meta["category"] == "single-session-user"


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            longmemeval(haystack_dates=["x"]),
            "record 1, field 'haystack_dates': 1 entries for 2 sessions",
        ),
        (longmemeval(answer=None), "record 1, field 'answer': expected .* got nothing"),
        (
            longmemeval(haystack_sessions=[[{"role": "user"}], []]),
            "session 1, turn 1, .*content': is missing",
        ),
    ],
)
def test_a_broken_longmemeval_record_is_named(record, message, tmp_path):
    with pytest.raises(ConfigError, match=r"broken\.json, .*" + message):
        LongMemEval(path=write(tmp_path, "broken.json", [record])).examples(ALL, 0)
