"""Logs of other agents: the documented format, spans, Mem0's history; what becomes of them, and what is refused."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from memfactory_core.errors import RunError
from memfactory_core.explain.causes import explain, primary
from memfactory_core.logs import EXAMPLE
from memfactory_core.logs.entry import read_time
from memfactory_core.logs.episodes import to_episodes
from memfactory_core.logs.files import read_log
from memfactory_core.trace import Episode, Recalled, Wrote, replay

BUDDY, SCOUT = "Clara adopted a dog called Buddy.", "Clara adopted a dog called Scout."


def lines(*entries: dict[str, Any]) -> bytes:
    return "\n".join(json.dumps(entry) for entry in entries).encode()


def episodes(*entries: dict[str, Any]) -> list[Episode]:
    return to_episodes(read_log({"log": lines(*entries)})[0])


def cause(episode: Episode) -> tuple[str, int | None] | None:
    found = primary(explain(episode))
    return (found.cause, found.seq) if found else None


ASKED = {"op": "answer", "question": "What is the dog of Clara called?", "right": "Buddy"}


@pytest.mark.parametrize(
    ("between", "answer", "expected"),
    [
        ([], "Buddy", None),
        (
            [{"op": "read", "text": SCOUT}, {"op": "update", "id": "1", "text": SCOUT}],
            "Scout",
            ("overwritten", 1),
        ),
        ([{"op": "update", "id": "1", "text": SCOUT}], "Scout", ("altered", 1)),
        ([{"op": "delete", "id": "1"}], "No idea.", ("deleted", 1)),
        ([{"op": "delete", "id": "*"}], "No idea.", ("deleted", 1)),
        ([{"op": "search", "query": "dog", "hits": []}], "No idea.", ("not_retrieved", 1)),
        ([{"op": "search", "query": "dog", "hits": ["1"]}], "No idea.", ("not_used", 2)),
    ],
)
def test_the_cause_is_found_without_any_run(
    between: list[dict[str, Any]], answer: str, expected: Any
) -> None:
    told = [{"op": "read", "text": BUDDY}, {"op": "add", "id": "1", "text": BUDDY}]
    (episode,) = episodes(*told, *between, ASKED | {"answer": answer})
    assert cause(episode) == expected
    assert episode.scores["exact_match"] == (expected is None)
    assert episode.example.evidence[0].text == BUDDY, "what was needed is found by the right answer"


def test_a_fact_that_was_read_and_never_written() -> None:
    (episode,) = episodes(
        {"op": "read", "text": BUDDY}, {"op": "noop"}, ASKED | {"answer": "No idea."}
    )
    assert cause(episode) == ("not_written", 0)


def test_a_refused_write_is_the_cause() -> None:
    refused = {"op": "reject", "text": BUDDY, "reason": "the bank is full"}
    (episode,) = episodes({"op": "read", "text": BUDDY}, refused, ASKED | {"answer": "No idea."})
    assert cause(episode) == ("no_room", 0)


def test_memory_is_judged_at_the_moment_of_the_question() -> None:
    first, second = episodes(
        {"op": "read", "text": BUDDY}, {"op": "add", "id": "1", "text": BUDDY},
        ASKED | {"answer": "Buddy"}, {"op": "delete", "id": "1"}, ASKED | {"answer": "No idea."},
    )  # fmt: skip
    assert cause(first) is None and cause(second) == ("deleted", 1)
    assert first.group_id != second.group_id  # no two attempts at one question
    assert [m.text for m in replay(first.events).values()] == [BUDDY]
    assert replay(second.events) == {} and len(replay(second.events, 1)) == 1


def test_what_is_written_in_other_words_is_followed() -> None:
    told, kept = "Please note: I am vegetarian.", "Priya is vegetarian."
    asked = {"op": "answer", "question": "Is Priya vegetarian?", "right": ["yes", "vegetarian"]}
    gone = [
        {"op": "read", "text": told}, {"op": "add", "id": "1", "text": kept}, {"op": "delete", "id": "1"},
        asked | {"answer": "I do not know."},
    ]  # fmt: skip
    (one,) = episodes(*gone)
    assert cause(one) == ("deleted", 1) and one.example.evidence[0].also == (kept,)
    (other,) = episodes(gone[0], gone[1] | {"text": "Nila is vegetarian."}, *gone[2:])
    assert not other.example.evidence[0].also  # nobody spoke of Nila


def test_sessions_do_not_share_a_memory() -> None:
    one, other = episodes(
        {"op": "add", "id": "1", "text": BUDDY, "session": "a"},
        {"op": "update", "id": "1", "text": SCOUT, "session": "b", "before": "Nothing yet."},
        ASKED | {"answer": "Buddy", "session": "a"}, ASKED | {"answer": "Scout", "session": "b"},
    )  # fmt: skip
    assert one.group_id != other.group_id and cause(one) is None
    (write,) = [event for event in other.events if isinstance(event, Wrote)]
    assert (write.action, write.before) == ("update", "Nothing yet.")


def test_entries_are_put_in_the_order_of_their_times() -> None:
    (episode,) = episodes(
        {"op": "update", "id": "1", "text": SCOUT, "at": "2026-03-02T10:00:00+01:00"},
        {"op": "add", "id": "1", "text": BUDDY, "at": "2026-03-02T08:30:00Z"},
        ASKED | {"answer": "Scout", "at": read_time("2026-03-02T09:30:00")},
    )
    assert [event.action for event in episode.events if isinstance(event, Wrote)] == [
        "add",
        "update",
    ]
    assert cause(episode) == ("overwritten", 1)


def test_an_answer_without_a_right_one_is_shown_and_not_judged() -> None:
    (episode,) = episodes(
        {"op": "add", "text": BUDDY}, {"op": "answer", "question": "A dog?", "answer": "Yes."}
    )
    assert cause(episode) is None and episode.answer == "Yes."
    (silent,) = episodes({"op": "add", "text": BUDDY})
    assert cause(silent) is None and silent.example.question == "" and len(silent.events) == 1


def test_searches_before_an_answer_are_what_it_was_read_from() -> None:
    (episode,) = episodes(
        {"op": "read", "text": BUDDY}, {"op": "search", "query": "known dogs", "hits": []},
        {"op": "add", "id": "1", "text": BUDDY},
        {"op": "search", "query": "dogs", "hits": [{"id": "1", "score": 0.5}]}, ASKED | {"answer": "Buddy"},
    )  # fmt: skip
    before, after = [event for event in episode.events if isinstance(event, Recalled)]
    assert (before.at, before.query) == (0, "known dogs")
    assert (after.at, after.query, after.searched) == (None, ASKED["question"], "dogs")
    assert after.hits[0].memory.text == BUDDY


def test_the_example_forgets_in_several_ways() -> None:
    entries, kind = read_log({EXAMPLE.name: EXAMPLE.read_bytes()})
    assert kind == "jsonl"
    found = [cause(episode) for episode in to_episodes(entries)]
    assert [one and one[0] for one in found] == [
        None, "overwritten", "not_written", "stale", "not_retrieved", "deleted",
    ]  # fmt: skip


def test_the_documented_example_is_read() -> None:
    text = (Path(__file__).parents[2] / "docs" / "import-logs.md").read_text()
    block = next(part for part in text.split("```") if '"op": "read"' in part).strip()
    entries, _ = read_log({"doc": block.replace(",\n ", ", ").encode()})
    assert cause(to_episodes(entries)[0]) == ("overwritten", 1)


# ---- OpenTelemetry


def span(operation: str, start: int, conversation: str = "c1", **attributes: Any) -> dict[str, Any]:
    given = {"gen_ai.operation.name": operation, "gen_ai.conversation.id": conversation}
    given |= {name.replace("__", "."): value for name, value in attributes.items()}
    return {
        "traceId": "ab" * 16, "spanId": "cd" * 8, "name": operation, "startTimeUnixNano": str(start * 10**9),
        "endTimeUnixNano": str(start * 10**9 + 1000),
        "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in given.items()],
    }  # fmt: skip


def request(*spans: dict[str, Any]) -> dict[str, Any]:
    return {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}


def records(*kept: tuple[str, str]) -> str:
    return json.dumps([{"id": name, "content": text} for name, text in kept])


SPANS = [
    span("chat", 1, gen_ai__input__messages=json.dumps(
        [{"role": "user", "parts": [{"type": "text", "content": BUDDY}]}])),
    span("create_memory", 2, gen_ai__memory__records=records(("m1", BUDDY))),
    span("chat", 2, gen_ai__input__messages=json.dumps([{"role": "user", "content": SCOUT}])),
    span("upsert_memory", 3, gen_ai__memory__records=records(("m1", SCOUT))),
    span("search_memory", 4, gen_ai__memory__query__text="dog", gen_ai__memory__records=records(("m1", SCOUT))),
    {
        **span("chat", 4, memfactory__right="Buddy", gen_ai__input__messages=json.dumps(
            [{"role": "user", "content": "What is the dog of Clara called?"}]),
            gen_ai__output__messages=json.dumps(
                [{"role": "assistant", "parts": [{"type": "text", "content": "Scout"}]}])),
        "endTimeUnixNano": str(9 * 10**9),
    },
]  # fmt: skip


@pytest.mark.parametrize("form", ["whole", "indented", "a line each"])
def test_spans_of_memory_operations_become_episodes(form: str) -> None:
    whole = {
        "whole": json.dumps(request(*SPANS)),
        "indented": json.dumps(request(*SPANS), indent=2),
    }
    text = whole.get(form) or "\n".join(json.dumps(request(one)) for one in reversed(SPANS))
    entries, kind = read_log({"spans.json": text.encode()})
    assert kind == "otlp"
    (episode,) = to_episodes(entries)
    assert episode.example.observations[0] == BUDDY
    assert cause(episode) == ("overwritten", 1)
    assert [e.action for e in episode.events if isinstance(e, Wrote)] == ["add", "update"]


def test_a_deleted_store_forgets_everything() -> None:
    spans = [SPANS[0], SPANS[1], span("delete_memory_store", 3), SPANS[-1]]
    (episode,) = to_episodes(read_log({"s": json.dumps(request(*spans)).encode()})[0])
    assert cause(episode) == ("deleted", 1)


def test_spans_without_contents_are_refused_with_the_reason() -> None:
    bare = request(span("create_memory", 1), span("search_memory", 2), span("chat", 3))
    with pytest.raises(RunError, match=r"none of its 3 spans .* capture contents"):
        read_log({"s.json": json.dumps(bare).encode()})


# ---- Mem0


def history(path: Path, rows: list[tuple[Any, ...]], old: bool = False) -> bytes:
    connection = sqlite3.connect(path)
    if old:
        connection.execute(
            "CREATE TABLE history (id TEXT PRIMARY KEY, memory_id TEXT, prev_value TEXT, new_value TEXT, event TEXT,"
            " timestamp DATETIME, is_deleted INTEGER)"
        )
        rows = [(i, m, b, a, e, t, 0) for i, m, b, a, e, t, *_ in rows]
    else:
        connection.execute(
            "CREATE TABLE history (id TEXT PRIMARY KEY, memory_id TEXT, old_memory TEXT, new_memory TEXT, event TEXT,"
            " created_at DATETIME, updated_at DATETIME, is_deleted INTEGER, actor_id TEXT, role TEXT)"
        )
    marks = ", ".join("?" * len(rows[0]))
    connection.executemany(f"INSERT INTO history VALUES ({marks})", rows)
    connection.commit()
    connection.close()
    return path.read_bytes()


T1, T2, T3 = "2026-03-02T08:00:00+00:00", "2026-03-02T09:00:00+00:00", "2026-03-02T10:00:00+00:00"
ROWS = [
    ("z", "m1", None, BUDDY, "ADD", T1, None, 0, None, "user"),
    ("y", "m2", None, "Ann likes tea.", "ADD", T1, None, 0, None, "user"),
    ("x", "m1", BUDDY, SCOUT, "UPDATE", T1, T2, 0, None, "user"),
    ("w", "m2", "Ann likes tea.", None, "DELETE", T1, T3, 1, None, None),
]


@pytest.mark.parametrize("old", [False, True])
def test_mem0s_history_and_questions_of_ones_own(tmp_path: Path, old: bool) -> None:
    rows = [(*row[:5], row[6] or row[5], *row[5:]) for row in ROWS] if old else ROWS
    content = history(tmp_path / "history.db", rows, old)
    asked = lines(ASKED | {"answer": "Scout", "at": "2026-03-02T12:00:00Z"})
    entries, kind = read_log({"history.db": content, "answers.jsonl": asked})
    assert kind == "mem0"
    assert [entry.op for entry in entries] == ["add", "add", "update", "delete", "answer"]
    (episode,) = to_episodes(entries)
    assert cause(episode) == ("overwritten", 2)
    assert {m.text for m in replay(episode.events, 2).values()} == {BUDDY, "Ann likes tea."}
