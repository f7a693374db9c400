"""OpenTelemetry spans of memory operations (OTLP as JSON, whole or one request a line) as entries of a log. The words
are those of the GenAI conventions: `gen_ai.operation.name` is create_memory, update_memory, upsert_memory,
delete_memory, search_memory or delete_memory_store; `gen_ai.memory.records` holds {content, id, score} where contents
were captured. A `chat` or `invoke_agent` span with its messages is what was read, and an answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from memfactory_core.errors import RunError
from memfactory_core.logs.entry import Entry, make_entry, spell_number
from memfactory_core.text import parse_json

WRITES = {"create_memory": "add", "update_memory": "update", "upsert_memory": "update"}
SPEAKS = ("chat", "invoke_agent")
DEEPEST_VALUE = 20
"""Lists within lists of one attribute."""


def is_spans(values: Any) -> bool:
    """Whether plain values are a request of OTLP."""
    return isinstance(values, dict) and ("resourceSpans" in values or "resource_spans" in values)


def entries_of(requests: Iterable[Any], name: str) -> Iterator[Entry]:
    """The entries of OTLP requests, in no order. RunError, in one line, where a span is none, and where none of the
    spans is of a memory with its contents."""
    count = silent = 0
    for span in _spans(requests, name):
        count += 1
        place = f"{name}, span {count}"
        found = list(_entries(span, place))
        silent += not found
        yield from found
    if count == silent:
        raise RunError(
            f"{name}: none of its {count:,} spans is of a memory with its contents; let the agent's instrumentation "
            "capture contents (gen_ai.memory.records), see docs/import-logs.md"
        )


def _spans(requests: Iterable[Any], name: str) -> Iterator[Mapping[str, Any]]:
    for request in requests:
        for resource in _listed(request, "resourceSpans", "resource_spans", name):
            for scope in _listed(resource, "scopeSpans", "scope_spans", name):
                for span in _listed(scope, "spans", "spans", name):
                    if not isinstance(span, dict):
                        raise RunError(f"{name}: a span is no object")
                    yield span


def _listed(values: Any, name: str, other: str, file: str) -> list[Any]:
    found = values.get(name, values.get(other, [])) if isinstance(values, dict) else None
    if not isinstance(found, list):
        raise RunError(f"{file}: {name} is no list")
    return found


def _entries(span: Mapping[str, Any], place: str) -> Iterator[Entry]:
    known = _attributes(span, place)
    operation = known.get("gen_ai.operation.name") or str(span.get("name", "")).partition(" ")[0]
    start, end = (_seconds(span, name, place) for name in ("startTimeUnixNano", "endTimeUnixNano"))
    session = known.get("gen_ai.conversation.id") or span.get("traceId") or ""
    common = {"session": str(session)[:200], "at": end or start}
    if operation in WRITES:
        for record in _records(known, place):
            op = "update" if record["id"] and operation != "create_memory" else "add"
            yield make_entry(common | record | {"op": op}, place)
    elif operation == "delete_memory" and known.get("gen_ai.memory.record.id"):
        yield make_entry(common | {"op": "delete", "id": known["gen_ai.memory.record.id"]}, place)
    elif operation in ("delete_memory", "delete_memory_store"):
        # without a record's id the whole store is emptied
        yield make_entry(common | {"op": "delete", "id": "*"}, place)
    elif operation == "search_memory" and known.get("gen_ai.memory.query.text"):
        hits = [record for record in _records(known, place) if record["id"]]
        query = known["gen_ai.memory.query.text"]
        yield make_entry(common | {"op": "search", "query": query, "hits": hits}, place)
    elif operation in SPEAKS:
        yield from _spoken(known, common, start, place)


def _spoken(
    known: Mapping[str, Any], common: Mapping[str, Any], start: float | None, place: str
) -> Iterator[Entry]:
    asked = _last_text(known.get("gen_ai.input.messages"), "user", place)
    said = _last_text(known.get("gen_ai.output.messages"), "assistant", place)
    if not asked:
        return
    yield make_entry({**common, "at": start, "op": "read", "text": asked}, place)
    if said:
        more = {name: known.get(f"memfactory.{name}") or [] for name in ("right", "needed")}
        yield make_entry(
            {**common, "op": "answer", "question": asked, "answer": said, **more}, place
        )


def _records(known: Mapping[str, Any], place: str) -> list[dict[str, Any]]:
    """The records of a memory operation: id, text, score."""
    records = _structured(known.get("gen_ai.memory.records"), place)
    if not isinstance(records, list):
        return []
    only = known.get("gen_ai.memory.record.id") if len(records) == 1 else None
    found = []
    for record in records:
        if not isinstance(record, dict):
            raise RunError(f"{place}: gen_ai.memory.records holds something that is no record")
        name, text = spell_number(record.get("id")) or only, _text(record.get("content"))
        if text:
            score = record.get("score")
            number = score if isinstance(score, int | float) else 0.0
            found.append({"id": name, "text": text, "score": number})
    return found


def _text(content: Any) -> str:
    """A content's words: a text, or a text within {text} or {content}."""
    if isinstance(content, dict):
        content = content.get("text", content.get("content"))
    return content if isinstance(content, str) else ""


def _last_text(messages: Any, role: str, place: str) -> str:
    """The words of the last message of a role: {role, parts: [{type: text, content}]} or {role, content}."""
    found = ""
    listed = _structured(messages, place)
    for message in listed if isinstance(listed, list) else []:
        if not isinstance(message, dict) or message.get("role") != role:
            continue
        parts = message.get("parts")
        texts = map(_text, parts) if isinstance(parts, list) else [_text(message.get("content"))]
        found = " ".join(filter(None, texts)) or found
    return found


def _structured(value: Any, place: str) -> Any:
    """An attribute's value, which may be JSON in a text."""
    if not isinstance(value, str):
        return value
    try:
        return parse_json(value)
    except ValueError as error:
        raise RunError(f"{place}: an attribute is not JSON: {str(error)[:200]}") from error


def _attributes(span: Mapping[str, Any], place: str) -> dict[str, Any]:
    listed = span.get("attributes", [])
    if not isinstance(listed, list):
        raise RunError(f"{place}: attributes is no list")
    found = {}
    for one in listed:
        if not isinstance(one, dict) or not isinstance(one.get("key"), str):
            raise RunError(f"{place}: an attribute has no key")
        found[one["key"]] = _value(one.get("value"), place)
    return found


def _value(value: Any, place: str, depth: int = 0) -> Any:
    """The plain value of OTLP's AnyValue."""
    if depth > DEEPEST_VALUE:
        raise RunError(f"{place}: an attribute is nested too deeply")
    if not isinstance(value, dict):
        return None
    for name in ("stringValue", "boolValue", "doubleValue"):
        if name in value:
            return value[name]
    if "intValue" in value:
        return str(value["intValue"])
    inner = value.get("arrayValue")
    if isinstance(inner, dict) and isinstance(inner.get("values"), list):
        return [_value(one, place, depth + 1) for one in inner["values"]]
    inner = value.get("kvlistValue")
    if isinstance(inner, dict) and isinstance(inner.get("values"), list):
        pairs = (one for one in inner["values"] if isinstance(one, dict))
        return {str(p.get("key")): _value(p.get("value"), place, depth + 1) for p in pairs}
    return None


def _seconds(span: Mapping[str, Any], name: str, place: str) -> float | None:
    given = span.get(name)
    if given is None:
        return None
    try:
        return int(str(given)[:30]) / 1e9
    except ValueError as error:
        raise RunError(
            f"{place}: {name} is no number of nanoseconds: {str(given)[:40]!r}"
        ) from error
