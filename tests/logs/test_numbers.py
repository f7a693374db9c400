"""Numbers where ids stand, as other programs write them; and how often a line is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from memfactory_core.errors import RunError
from memfactory_core.logs import files
from memfactory_core.logs.files import read_log
from memfactory_core.text import parse_json
from memfactory_core.trace import Recalled, Wrote
from tests.logs.test_logs import ASKED, BUDDY, episodes, lines, records, request, span


@pytest.mark.parametrize("hits", [[0], ["0"], [{"id": 0}], [{"id": "0", "text": BUDDY}]])
@pytest.mark.parametrize("number", [0, "0"])
def test_a_number_is_an_id_wherever_an_id_stands(number: Any, hits: list[Any]) -> None:
    told = {"session": 7}
    (episode,) = episodes(
        told | {"op": "add", "id": number, "text": BUDDY},
        told | {"op": "search", "query": "dog", "hits": hits},
        told | ASKED | {"session": "7", "answer": "Buddy"},
    )
    (wrote,) = [event for event in episode.events if isinstance(event, Wrote)]
    (recalled,) = [event for event in episode.events if isinstance(event, Recalled)]
    assert wrote.memory_id == "0"
    assert [(hit.memory.id, hit.memory.text) for hit in recalled.hits] == [("0", BUDDY)]


@pytest.mark.parametrize("wrong", [True, 1.5, None, ["1"], ""])
def test_nothing_else_is_one(wrong: Any) -> None:
    with pytest.raises(RunError, match="hits"):
        read_log({"log": lines({"op": "search", "query": "dog", "hits": [{"id": wrong}]})})
    with pytest.raises(RunError, match="hits"):
        read_log({"log": lines({"op": "search", "query": "dog", "hits": [wrong]})})


def test_a_span_may_write_to_memory_0() -> None:
    kept = json.loads(records(("m", BUDDY)))
    kept[0]["id"] = 0
    spans = [span("upsert_memory", 1, gen_ai__memory__records=json.dumps(kept))]
    (entry,) = read_log({"spans": json.dumps(request(*spans)).encode()})[0]
    assert (entry.op, entry.id) == ("update", "0")


@pytest.mark.parametrize("indent", [None, 1])
def test_spans_are_read_once(monkeypatch: pytest.MonkeyPatch, indent: int | None) -> None:
    read: list[str] = []

    def parse(text: str) -> Any:
        values = parse_json(text)
        read.append(text)
        return values

    monkeypatch.setattr(files, "parse_json", parse)
    one = json.dumps(
        request(span("create_memory", 1, gen_ai__memory__records=records(("m", BUDDY)))),
        indent=indent,
    )
    more = [] if indent else [one] * 2
    entries, kind = read_log({"spans": "\n".join([one, *more]).encode()})
    assert (len(entries), kind, len(read)) == (1 + len(more), "otlp", 1 + len(more))
