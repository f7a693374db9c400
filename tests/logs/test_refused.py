"""Logs that are refused: in one line, and before they cost anything."""

from __future__ import annotations

import math
import sqlite3
import time
from pathlib import Path

import pytest

from memfactory_core.errors import RunError
from memfactory_core.logs.entry import MOST_ENTRIES, make_entry
from memfactory_core.logs.episodes import to_episodes
from memfactory_core.logs.files import read_log
from tests.logs.test_logs import ASKED, episodes, lines


def hostile_history(path: Path, *script: str) -> bytes:
    connection = sqlite3.connect(path)
    for one in script:
        connection.execute(one)
    connection.commit()
    connection.close()
    return path.read_bytes()


ENDLESS = (
    "CREATE VIEW history AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
    "SELECT i AS memory_id FROM n"
)
TABLE = "CREATE TABLE history (memory_id TEXT, old_memory TEXT, new_memory TEXT, event TEXT, created_at TEXT{})"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (["CREATE TABLE other (a)"], "no table 'history'"),
        ([ENDLESS],
         "no table 'history'"),
        (["CREATE TABLE history (a, b)"], "not that of Mem0"),
        ([TABLE.format(""), "INSERT INTO history VALUES ('m', '', 'x', 'EXPLODE', '')"], "row 1: no operation is"),
        ([TABLE.format(""), "INSERT INTO history VALUES (x'ff00', '', 'x', 'ADD', '')"], "bytes where a text"),
        ([TABLE.format(""), "INSERT INTO history VALUES ('m', '', zeroblob(900000), 'ADD', '')"], "history"),
        ([TABLE.format(""), "INSERT INTO history VALUES ('m', '', 'x', 'ADD', 'yesterday')"], "no time: 'yesterday'"),
        ([TABLE.format(", event2 TEXT GENERATED ALWAYS AS (hex(zeroblob(400000000))) VIRTUAL"),
          "INSERT INTO history VALUES ('m', '', 'x', 'EXPLODE', '')"], "EXPLODE"),
    ],
)  # fmt: skip
def test_hostile_histories_are_refused_in_a_line(
    tmp_path: Path, script: list[str], said: str
) -> None:
    content = hostile_history(tmp_path / "h.db", *script)
    began = time.monotonic()
    with pytest.raises(RunError) as error:
        read_log({"h.db": content})
    assert said in str(error.value) and "\n" not in str(error.value)
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no entry"),
        (b"\n \n", "holds no entry"),
        (b"hello", "is not JSON"),
        (b"\xff\xfe\x00", "neither UTF-8 text nor"),
        (b"SQLite format 3\x00" + b"\x00" * 200, "cannot be read as a history"),
        (b"[1, 2]", "expected an object"),
        (b'"add"', "expected an object"),
        (b"{}", "op: Field required"),
        (b'{"op": "explode"}', "op: Input should be"),
        (b'{"op": "add"}', "'add' wants the field 'text'"),
        (b'{"op": "update", "text": "x"}', "'update' wants the field 'id'"),
        (b'{"op": "answer", "answer": "x"}', "wants the field 'question'"),
        (b'{"op": "add", "text": 3}', "text: Input should be a valid string"),
        (b'{"op": "add", "text": "x", "at": "soon"}', "no time: 'soon'"),
        (b'{"op": "add", "text": "x", "at": 1e300}', "no time in seconds"),
        (b'{"op": "add", "text": "x", "at": NaN}', "is not JSON"),
        (b'{"op": "add", "text": "x", "at": -1}', "no time in seconds"),
        (b'{"op": "add", "text": "\\ud800"}', "is not JSON"),
        (b'{"op": "search", "query": "q", "hits": 5}', "hits: Input should be"),
        (b'{"op": "search", "query": "q", "hits": [{"text": "no id"}]}', "hits.0.id: Field required"),
        (b'{"op": "add", "text": "' + b"x" * 100_001 + b'"}', "at most 100000 characters"),
        (b'{"op": "read", "text": "a"}\n{"op": "add"}', "line 2: 'add' wants"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"resourceSpans": 7}', "resourceSpans is no list"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [7]}]}]}', "a span is no object"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": 1}]}]}]}', "attributes is no list"),
        (b'{"resourceSpans": []}', "none of its 0 spans"),
    ],
)  # fmt: skip
def test_what_is_no_log_is_refused_in_a_line(content: bytes, said: str) -> None:
    with pytest.raises(RunError) as error:
        to_episodes(read_log({"a log": content})[0])
    assert said in str(error.value), str(error.value)
    assert "\n" not in str(error.value) and len(str(error.value)) < 1000


@pytest.mark.slow
def test_too_many_entries_and_episodes_are_refused_before_they_cost_anything() -> None:
    many = b'{"op": "noop"}\n' * (MOST_ENTRIES + 1)
    with pytest.raises(RunError, match="more than 200,000 entries"):
        read_log({"log": many})
    pairs = [
        {"op": "read", "text": f"Fact {n}."} if n % 2 else ASKED | {"answer": "x"}
        for n in range(4000)
    ]
    began = time.process_time()
    with pytest.raises(RunError, match="the log is too large: a session is told again"):
        episodes(*pairs)
    assert time.process_time() - began < 20


ADDS = [{"op": "add", "id": str(n), "text": f"Fact {n} is {n}."} for n in range(4600)]
EMPTIED = {"op": "delete", "id": "*"}


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([*ADDS, EMPTIED, ASKED], "21,169,200 comparisons of a write with a memory (at most 20,000,000)"),
        ([*ADDS[:2000], EMPTIED, *[ASKED] * 6], "20,020,000 comparisons of a write"),
        ([{"op": "add", "text": "Ann is in. " * 2500}] * 11 + [ASKED], "412,500,000 comparisons of a written sentence"),
        ([{"op": "noop"}] * 1000 + [ASKED] * 201, "402,000 events and texts (at most 400,000)"),
        ([{"op": "read", "text": "x" * 100_000}, *[ASKED] * 501], "50,100,000 characters of what was read"),
    ],
)  # fmt: skip
def test_the_bound_that_was_passed_is_named(entries: list[dict[str, str]], said: str) -> None:
    once = {id(entry): entry for entry in entries}
    made = {key: make_entry(entry, "here") for key, entry in once.items()}
    known = [made[id(entry)] for entry in entries]  # the same one again and again costs no memory
    began = time.process_time()
    with pytest.raises(RunError) as error:
        to_episodes(known)
    assert said in str(error.value), str(error.value)
    assert time.process_time() - began < 10


@pytest.mark.slow
def test_what_is_just_allowed_takes_seconds() -> None:
    read = {"op": "read", "text": "Nothing of it."}
    known = [make_entry(e, "here") for e in (read, *ADDS[:4400], EMPTIED, ASKED)]
    began = time.process_time()
    (episode,) = to_episodes(known)
    assert time.process_time() - began < 8
    assert len(episode.events) == 2 * 4400 + 1


def test_a_long_log_takes_time_in_proportion() -> None:
    def seconds(count: int) -> float:
        log = lines(*({"op": "read", "text": f"Fact {n} is {n}."} for n in range(count)))
        best = math.inf
        for _ in range(3):  # the collector or a neighbour may come in between
            began = time.process_time()
            to_episodes(read_log({"log": log})[0])
            best = min(best, time.process_time() - began)
        return best

    seconds(1000)
    assert seconds(16_000) < 8 * max(seconds(4000), 0.02)
