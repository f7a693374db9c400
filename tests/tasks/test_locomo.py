"""LoCoMo: sessions, turns, windows and questions asked together."""

from __future__ import annotations

from collections import Counter

import pytest

from memfactory_core.config import load
from memfactory_core.errors import ConfigError
from memfactory_core.tasks.locomo import LoCoMo
from memfactory_core.trace import holds
from tests.tasks.records import (
    ALL,
    check_evidence,
    locomo,
    write,
)


def test_locomo_reads_sessions_in_the_order_of_their_numbers(tmp_path):
    path = write(tmp_path, "a.json", [locomo()])
    [example] = LoCoMo(path=path).examples(ALL, 0)
    assert example.observations == (
        "[1 May 2023] Ann: I got a dog.\nBen: Nice! [picture: a dog]",
        "[9 May 2023] Ann: He is called Rex.",
    )
    assert example.answers == ("2023",)
    assert [(item.text, item.observation) for item in example.evidence] == [
        ("Ann: I got a dog.", 0), ("Ann: He is called Rex.", 1),
    ]  # fmt: skip
    assert example.meta == {"category": 2, "conversation": "conv-1", "dia_ids": ["D1:1", "D10:1"]}


def test_locomo_turn_by_turn_with_traps_and_malformed_evidence(tmp_path):
    path = write(tmp_path, "a.json", [locomo()])
    task = LoCoMo(path=path, observation="turn", categories=(5,), captions=False, dates=False)
    [example] = task.examples(ALL, 0)
    assert example.observations == ("Ann: I got a dog.", "Ben: Nice!", "Ann: He is called Rex.")
    assert (
        example.answers[0] == "Not mentioned in the conversation" and "Tom" not in example.answers
    )
    assert example.meta["adversarial_answer"] == "Tom"
    assert [(item.text, item.observation) for item in example.evidence] == [("Ben: Nice!", 1)]
    assert example.meta["missing_evidence"] == ["D7:7"]


@pytest.mark.parametrize("observation", ["session", "turn"])
def test_locomo_as_published(observation, data):
    path = str(data / "locomo" / "locomo6.json")
    examples = LoCoMo(path=path, observation=observation).examples(ALL, 0)
    counts = Counter(example.meta["category"] for example in examples)
    assert counts == {1: 172, 2: 180, 3: 53, 4: 480}
    assert sum(not example.evidence for example in examples) == 2
    assert check_evidence(examples) > 1200
    assert all(isinstance(answer, str) for example in examples for answer in example.answers)
    every = LoCoMo(path=path, categories=(1, 2, 3, 4, 5)).examples(ALL, 0)
    assert sum(example.meta["category"] == 5 for example in every) == 272
    one = LoCoMo(path=path, conversations=("conv-26",)).examples(ALL, 0)
    assert {example.meta["conversation"] for example in one} == {"conv-26"} and len(one) == 152


def broken_locomo(change) -> dict:
    record = locomo()
    change(record)
    return record


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.pop("conversation"), "record 1, field 'conversation': is missing"),
        (
            lambda r: r["conversation"].pop("session_1_date_time"),
            "'conversation.session_1_date_time': is missing",
        ),
        (
            lambda r: r["conversation"]["session_1"][1].pop("text"),
            "record 1, turn 2, .*session_1.text': is missing",
        ),
        (lambda r: r["qa"][0].pop("answer"), "record 1, question 1, field 'qa.answer': is missing"),
        (
            lambda r: r["qa"][1].update(category="five"),
            "question 2, field 'qa.category': expected a whole number",
        ),
        (
            lambda r: r["qa"][0].update(evidence=[1]),
            "question 1, field 'qa.evidence': item 1: expected text, got 1",
        ),
    ],
)
def test_a_broken_locomo_record_is_named(change, message, tmp_path):
    path = write(tmp_path, "broken.json", [broken_locomo(change)])
    with pytest.raises(ConfigError, match=r"broken\.json, .*" + message):
        LoCoMo(path=path).examples(ALL, 0)


def test_locomo_together_asks_every_question_of_one_memory(tmp_path):
    path = write(tmp_path, "a.json", [locomo(), locomo(sample_id="conv-2")])
    apart = LoCoMo(path=path, categories=(1, 2, 3, 4, 5)).examples(ALL, 0)
    together = LoCoMo(path=path, categories=(1, 2, 3, 4, 5), together=True).examples(ALL, 0)
    assert [example.id for example in together] == ["locomo-conv-1", "locomo-conv-2"]
    assert [one for example in together for one in example.single_questions] == apart
    assert [len(example.questions) for example in together] == [2, 2]


def test_locomo_together_as_published(data):
    path = str(data / "locomo" / "locomo6.json")
    apart = LoCoMo(path=path).examples(ALL, 0)
    together = LoCoMo(path=path, together=True).examples(ALL, 0)
    assert len(together) == 6 and sum(len(example.questions) for example in together) == 885
    assert [one for example in together for one in example.single_questions] == apart


@pytest.mark.parametrize("observation", ["session", "turn"])
def test_locomo_reads_only_a_window_before_the_answer(observation, data):
    path = str(data / "locomo" / "locomo6.json")
    whole = {e.id: e for e in LoCoMo(path=path, observation=observation).examples(ALL, 0)}
    narrow = LoCoMo(path=path, observation=observation, window=50).examples(ALL, 0)
    assert 700 < len(narrow) < len(whole)
    for example in narrow:
        full = whole[example.id]
        assert (example.question, example.answers) == (full.question, full.answers)
        assert len(example.observations) <= (51 if observation == "turn" else 5)
        assert example.meta["dia_ids"] == full.meta["dia_ids"]
        read, everything = "\n".join(example.observations), "\n".join(full.observations)
        if observation == "turn":
            assert read in everything, "turns that follow each other, word for word"
        assert all(holds(example.observations[i.observation], i) for i in example.evidence)
        assert any(holds(example.observations[-1], item) for item in example.evidence)


def test_locomo_window_and_together_exclude_each_other():
    with pytest.raises(ConfigError, match="each question has a window of its own"):
        load("locomo-retrieval", ["task.together=true", "task.window=5"])


def test_nobody_is_wrong_for_saying_unknown_where_nothing_was_mentioned(tmp_path):
    path = write(tmp_path, "a.json", [locomo()])
    [example] = LoCoMo(path=path, categories=(5,)).examples(ALL, 0)
    assert "Unknown" in example.answers and "Tom" not in example.answers


@pytest.mark.parametrize(
    ("evidence", "found", "missing"),
    [
        (["D1:1; D10:1"], ["D1:1", "D10:1"], []), (["D1:1 D10:1"], ["D1:1", "D10:1"], []),
        (["D1:1,D1:1"], ["D1:1"], []), (["D:1:2"], ["D1:2"], []), (["D1:02"], ["D1:2"], []),
        ("D1:1", ["D1:1"], []), ("D1:1; D1:2", ["D1:1", "D1:2"], []), (["D"], [], []), ([], [], []),
        (None, [], []), (["D1:1", "D9:9"], ["D1:1"], ["D9:9"]),
    ],
)  # fmt: skip
def test_locomo_evidence_in_every_way_it_is_written(evidence, found, missing, tmp_path):
    record = locomo()
    record["qa"][0]["evidence"] = evidence
    [example] = LoCoMo(path=write(tmp_path, "a.json", [record])).examples(ALL, 0)
    assert example.meta["dia_ids"] == found and len(example.evidence) == len(found)
    assert example.meta.get("missing_evidence", []) == missing


def test_a_turn_id_that_two_turns_carry_loses_no_turn_and_names_none(tmp_path):
    record = locomo()
    record["conversation"]["session_10"] *= 2
    [example] = LoCoMo(path=write(tmp_path, "a.json", [record])).examples(ALL, 0)
    assert example.observations[1].count("He is called Rex.") == 2
    assert example.meta["dia_ids"] == ["D1:1"]
    assert example.meta["missing_evidence"] == ["D10:1"]


@pytest.mark.parametrize(
    ("wanted", "hint"), [("26", "conv-26"), ("CONV-30", "conv-30"), ("conf-26", "conv-26")]
)
def test_a_conversation_that_is_not_there_is_answered_with_those_that_are(wanted, hint, tmp_path):
    names = ("conv-26", "conv-30")
    path = write(tmp_path, "a.json", [locomo(sample_id=name) for name in names])
    with pytest.raises(
        ConfigError,
        match=rf"a\.json: no conversation '{wanted}'; there are conv-26, conv-30; did you mean '{hint}'\?",
    ):
        LoCoMo(path=path, conversations=(wanted,)).examples(ALL, 0)
