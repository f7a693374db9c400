"""LongMemEval: sessions, evidence, and questions without an answer."""

from __future__ import annotations

import pytest

from memfactory_core.errors import ConfigError
from memfactory_core.rewards.answers import exact_match
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


@pytest.mark.parametrize("dates", [True, False])
def test_longmemeval_sessions_are_read_in_the_order_of_their_dates(dates, tmp_path):
    said = [
        [{"role": "user", "content": "I moved to Azo.", "has_answer": True}],
        [{"role": "user", "content": "I live in Bero."}], [{"role": "user", "content": "Hello."}],
    ]  # fmt: skip
    record = longmemeval(
        haystack_sessions=said, haystack_session_ids=["new", "old", "same day"],
        haystack_dates=[
            "2024/02/20 (Tue) 09:00", "2024/01/05 (Fri) 19:30", "2024/01/05 (Fri) 8:10",
        ],
        answer_session_ids=["new"],
    )  # fmt: skip
    [example] = LongMemEval(path=write(tmp_path, "a.json", [record]), dates=dates).examples(ALL, 0)
    order = [text.split("User: ")[1] for text in example.observations]
    assert order == ["Hello.", "I live in Bero.", "I moved to Azo."]
    assert example.evidence[0].observation == 2


def test_longmemeval_dates_that_are_none_keep_the_files_order_and_mixed_ones_are_named(tmp_path):
    path = write(tmp_path, "a.json", [longmemeval(haystack_dates=["Tuesday", "Monday"])])
    [example] = LongMemEval(path=path).examples(ALL, 0)
    assert example.observations[0].startswith("[Tuesday]")
    path = write(tmp_path, "b.json", [longmemeval(haystack_dates=["2023/05/01", "Monday"])])
    with pytest.raises(ConfigError, match="'haystack_dates': item 2: expected a date .* 'Monday'"):
        LongMemEval(path=path).examples(ALL, 0)


@pytest.mark.parametrize(
    "answer", ["Unknown.", "Not mentioned", "not mentioned in the conversation", "No boat."]
)
def test_saying_that_it_was_not_mentioned_is_right_where_it_was_not(answer, tmp_path):
    path = write(
        tmp_path, "a.json", [longmemeval(question_id="q_abs", answer="No boat."), longmemeval()]
    )
    abstain, other = LongMemEval(path=path).examples(ALL, 0)
    assert exact_match(answer, abstain.answers) == 1.0 and exact_match(answer, other.answers) == 0.0


def test_a_question_type_that_is_not_there_is_answered_with_those_that_are(tmp_path):
    path = write(tmp_path, "a.json", [longmemeval()])
    with pytest.raises(
        ConfigError, match="no question_type 'Single-Session-User'; .* did you mean 'single-"
    ):
        LongMemEval(path=path, types=("Single-Session-User",)).examples(ALL, 0)
