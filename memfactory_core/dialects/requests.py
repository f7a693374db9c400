"""Operations as chat models write them, as lines or as JSON objects, before anybody has looked whether the memories
that they name exist."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from memfactory_core.dialects.markdown import unwrapped, without_marks
from memfactory_core.dialects.objects import find_json
from memfactory_core.dialects.operations import ADD, DELETE, MERGE, NOOP, UPDATE, name_operation
from memfactory_core.text import words
from memfactory_core.types import Memory

SEVERAL = "more than one operation"
TRIED = 8
"""Ids in a line that are tried as the one that it means; an old text may hold ids of its own."""
MOST = 64
"""Operations in one output, at most."""
DEEPEST = 4
"""How deep lists and objects of operations may lie in each other."""


class Request(NamedTuple):
    """One operation that was asked for: its verb, the memory's id as it was written, the text to store, and the
    quote of the memory; None where there is none."""

    verb: str
    target: str | None = None
    text: str | None = None
    old: str | None = None


_WORDS = {"add": ADD, "update": UPDATE, "delete": DELETE, "merge": MERGE, "none": NOOP}
_VERB = re.compile(
    r"[\[<(*_`\"']{0,3}(ADD|UPDATE|DELETE|MERGE|NONE|NO[-_ ]?(?:OP(?:ERATION)?|ACTION|CHANGE)S?)(?!\w)"
    r"[\]>)*_`\"']{0,3}",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"[\w' ]{1,80}[:：][\s*_`]{0,4}|(?:so,? |thus,? |therefore,? )?(?:the (?:correct |right |best |final )?"
    r"(?:operation|action|decision|answer) (?:is|should be|would be) |"
    r"i(?:'d|'ll| would| will)? (?:choose |select |pick |go with )?)(?=[*`\"']{0,2}[A-Z])",
    re.IGNORECASE,
)
_CAPITALS = re.compile(r"ADD|UPDATE|DELETE|MERGE|NO[-_]?OP")
_SEPARATOR = re.compile(r"\s*([:：=→]|[-–—=]{1,2}>|[-–—]+\s)?\s*")
_EXPLAINS = re.compile(
    r"(?:is|was|because|since|would|should|seems|means|operation|makes sense|here)\b"
)
_FIELD = re.compile(r"[*_`\"'\-\s]{0,6}([A-Za-z][A-Za-z _]{0,20}?)[*_`\"']{0,3}\s?[:=]\s?(.+)")
_ID = re.compile(r"#\s?\[?(\w+)")
_BARE_ID = re.compile(
    r"\W{0,3}(?:(?:the )?(?:memory|entry|id|number|no\.?|item)[\W_]{0,3}){0,2}(\w+)\b",
    re.IGNORECASE,
)
_DASH = re.compile(r"[-–—•*]\s+")
_SECOND = re.compile(r"[\s,;&+/]{0,4}(?:(?:and|or)\s{1,3})?#\s?\[?(\w+)", re.IGNORECASE)
"""Another id right behind the first: which one is meant is not said."""
_CONNECTIVE = re.compile(
    r"[\s)\].,;*`\"']*?(?:(?:to|with|as|into|by|becomes|(?:new )?text)\b\s*[:=]?|[-–—=]{0,2}>|[→:：=,|]|[-–—]\s)\s*",
    re.IGNORECASE,
)
_TEXT_LABEL = re.compile(
    r"(?:(?:the |new |updated |following |this )*(?:text|fact|memory|content|value|topic))\s?[:=]\s?",
    re.IGNORECASE,
)
_REASON = re.compile(r"\s(?://|\(?(?:Reason|Explanation|Rationale|Justification|Note|Because)\s?:)")
_POINTED = re.compile(r"(?<=\S) #\w{1,20}\Z")
_AFTER_FACT = re.compile(
    r"[\s.,;:*\"')\]]*(?:[-–—(]+\s*)?(?:because|since|as|this|it is|it's|the fact|reason|new)\b",
    re.IGNORECASE,
)
_CLOSED = re.compile(
    r"[\s.,;*)]*$|\s*(?:because|since|as|to|with|[-–—(]|reason|id|#)", re.IGNORECASE
)
_QUOTES = {'"': '"', "“": "”", "«": "»", "「": "」", "`": "`"}
_PLACEHOLDERS = frozenset({"text", "fact", "new text", "the text", "the fact", "merged text"})
_NEW = ("new_memory", "new_text", "updated_memory", "updated_text", "merged", "merged_text", "new", "to",
        "text", "content", "fact", "memory", "value", "data", "summary", "statement", "topic")  # fmt: skip
_OLD = ("old_memory", "old_text", "old", "previous", "from", "old_value")
_TARGET = (
    "id",
    "memory_id",
    "memoryid",
    "target",
    "target_id",
    "index",
    "number",
    "old_id",
    "memory",
)
_VERBS = (
    "operation",
    "op",
    "event",
    "action",
    "type",
    "decision",
    "command",
    "name",
    "function",
    "method",
)
_INSIDE = ("arguments", "args", "parameters", "params", "input", "data")


def read_lines(text: str, related: Sequence[Memory], fact: str = "") -> tuple[list[Request], str]:
    """The requests among the lines of an output, and what forbids to carry them out ("" where nothing does). What
    stands around one operation is an explanation; several are a list only where they follow each other."""
    lines = text.splitlines()
    starts = ((i, _read_line(raw)) for i, raw in enumerate(lines) if raw and not raw.isspace())
    found = list(islice(((i, *line) for i, line in starts if line), MOST + 1))
    if len(found) > MOST:
        return [], f"more than {MOST} operations"
    if any(strong for *_, strong in found):
        found = [one for one in found if one[3]]
    requests: list[Request] = []
    ends: list[int] = []
    for number, (index, verb, rest, _) in enumerate(found):
        stop = found[number + 1][0] if number + 1 < len(found) else len(lines)
        request, used = _read_body(verb, rest, lines[index + 1 : stop], related, fact)
        between = lines[ends[-1] : index] if ends else []
        ends.append(index + 1 + used)
        if request in requests:
            continue
        if requests and any(line.strip() for line in between):
            return [], SEVERAL
        requests.append(request)
    return requests, ""


def _read_line(raw: str) -> tuple[str, str, bool] | None:
    """(verb, what follows it, whether it is surely meant as an operation) of a line that begins with one."""
    line = unwrapped(without_marks(raw))
    labelled = False
    verb = _VERB.match(line)
    if verb is None:
        label = _LABEL.match(line)
        if label is None or _CAPITALS.search(label[0]):
            return None
        line, labelled = unwrapped(line[label.end() :]), True
        verb = _VERB.match(line)
        if verb is None:
            return None
    name = _WORDS.get(verb[1].lower(), NOOP)
    after = line[verb.end() :]
    separator = _SEPARATOR.match(after)
    mark = separator[1] if separator else None
    rest = after[separator.end() :] if separator else after
    if name == NOOP:
        alone = not rest.strip(" .!*`") or mark or after[:1] in ",.;(" or verb[1].upper() == "NOOP"
        needless = re.match(r"(?:is )?(?:needed|required|necessary)\b", rest)
        return (NOOP, "", True) if alone or needless else None
    if _EXPLAINS.match(rest):
        return None
    strong = verb[1].isupper() or mark == ":" or labelled or after[:1] == "("
    if not strong and rest.rstrip().endswith(":"):
        return None
    return name, rest, strong


def _read_body(
    verb: str, rest: str, following: list[str], related: Sequence[Memory], fact: str
) -> tuple[Request, int]:
    """The request that begins with `rest`, and how many of the following lines belong to it."""
    if verb == NOOP:
        return Request(NOOP), 0
    inner = find_json(rest) if rest.lstrip().startswith("{") else None
    if isinstance(inner, dict):
        return _from_fields(verb, {_key(name): value for name, value in inner.items()}), 0
    if rest.startswith("(") and rest.rstrip().endswith(")"):
        rest = rest.strip()[1:-1]
    if any(character.isalnum() for character in rest):
        start = following[0].strip() if following else ""
        if verb in (UPDATE, MERGE) and re.match(r"(?:to|with|->|=>|→)\s", start, re.IGNORECASE):
            return read_body(verb, f"{rest} {start}", related, fact), 1
        return read_body(verb, rest, related, fact), 0
    fields: dict[str, Any] = {}
    for number, line in enumerate(following):
        field = _FIELD.match(line)
        name = _key(field[1]) if field else ""
        if field and name in (*_NEW, *_OLD, *_TARGET):
            fields[name] = unwrapped(field[2])
        elif line.strip() and without_marks(line).lower() not in _PLACEHOLDERS:
            if fields:
                return _from_fields(verb, fields), number
            return read_body(verb, without_marks(line), related, fact), number + 1
    return _from_fields(verb, fields), len(following)


def read_body(verb: str, rest: str, related: Sequence[Memory], fact: str = "") -> Request:
    """The request of a verb and what follows it on its line."""
    if verb == ADD:
        return Request(ADD, text=_clean(rest, fact))
    by_id = {memory.id: memory for memory in related}
    ids = list(islice(_ID.finditer(rest), TRIED))
    named = [found for found in ids if found[1] in by_id]
    exact = [f for f in named if words(rest[: f.start()]) == words(by_id[f[1]].text)]
    chosen = next(iter([*exact, *named, *ids]), None)
    if chosen is None:
        chosen = _BARE_ID.match(rest)
        if chosen and chosen[1] not in by_id and not chosen[1].isdigit():
            chosen = None
        old = ""
    else:
        old = rest[: chosen.start()]
    if chosen is None:
        return _by_quote(verb, rest, related, fact)
    known, after = by_id.get(chosen[1]), rest[chosen.end() :].lstrip("])* `\"'")
    quoted = after.lstrip(":= \"'“`<")
    if known and quoted.lower().startswith(known.text.lower()):
        old, after = known.text, quoted[len(known.text) :].lstrip("\"'”`>")
    if known and re.fullmatch(r"\W*(?:(?:the )?(?:memory|entry|id|number|old|item|with)\W*)*", old):
        old = ""
    if verb == DELETE:
        others = {found[1] for found in ids if found[1] in by_id and found[1] != chosen[1]}
        target = ", #".join([chosen[1], *sorted(others)])
        return Request(DELETE, target, old=unwrapped(old) or None)
    second = _SECOND.match(after)
    if second and second[1] in by_id and second[1] != chosen[1]:
        return Request(verb, f"{chosen[1]}, #{second[1]}")
    connective = _CONNECTIVE.match(after)
    new = after[connective.end() :] if connective else after
    return Request(verb, chosen[1], _clean(new, fact), unwrapped(old) or None)


def _by_quote(verb: str, rest: str, related: Sequence[Memory], fact: str) -> Request:
    """A request that names its memory by its text alone."""
    body = rest.strip().lstrip("\"'“*`<")
    for memory in related:
        if memory.text and body.lower().startswith(memory.text.lower()):
            after = body[len(memory.text) :].lstrip("\"'”*`> ")
            connective = _CONNECTIVE.match(after)
            new = after[connective.end() :] if connective else after
            return Request(verb, memory.id, None if verb == DELETE else _clean(new, fact))
    return Request(verb, None, None, unwrapped(rest))


def _clean(text: str, fact: str) -> str | None:
    """The text to store without labels, quotation marks and explanations around it; None where none is left."""
    text = text.strip()
    label = _TEXT_LABEL.match(text)
    if label and not fact.startswith(label[0]):
        text = text[label.end() :]
    if _DASH.match(text) and not fact.lstrip().startswith(text[0]):
        text = _DASH.sub("", text, count=1)
    if text[:1] in _QUOTES and text[:1]:
        close = text.find(_QUOTES[text[0]], 1)
        if close > 1 and _CLOSED.match(text[close + 1 : close + 40]):
            text = text[1:close]
    reason = _REASON.search(text)
    if reason and reason[0].strip() not in fact:
        text = text[: reason.start()]
    pointed = _POINTED.search(text[-40:])
    if pointed and pointed[0].strip() not in fact:
        text = text[: len(text) - len(pointed[0])]
    whole = fact.strip().rstrip(".")
    if whole and text.startswith(whole) and _AFTER_FACT.match(text, len(whole)):
        text = fact.strip()
    text = unwrapped(text)
    return None if not text or text.lower() in _PLACEHOLDERS else text


def read_fields(value: Any, related: Sequence[Memory], fact: str = "") -> list[Request]:
    """The requests in a JSON value: an object with a verb and fields, an object of verbs, lists of them."""
    if value in ([], {}) or (isinstance(value, dict) and all(v == [] for v in value.values())):
        return [Request(NOOP)]
    return list(_walk(value, related, fact, 0))


def _walk(value: Any, related: Sequence[Memory], fact: str, depth: int) -> Iterator[Request]:
    if isinstance(value, str):
        yield from read_lines(value, related, fact)[0]
    elif isinstance(value, list) and depth < DEEPEST:
        for item in value:
            yield from _walk(item, related, fact, depth + 1)
    elif isinstance(value, dict) and depth < DEEPEST:
        fields = {_key(name): inner for name, inner in value.items()}
        named = (name_operation(fields.get(name)) for name in _VERBS)
        verb = next((name for name in named if name), None)
        if verb:
            yield _from_fields(verb, fields)
            return
        by_verb = [(_WORDS.get(name) or _noop(name), inner) for name, inner in fields.items()]
        if any(verb for verb, _ in by_verb):
            for verb, inner in by_verb:
                yield from _of_verb(verb, inner, related, fact) if verb else ()
            return
        for name, inner in fields.items():
            if isinstance(inner, (list, dict)) or name in _VERBS:
                yield from _walk(inner, related, fact, depth + 1)


def _noop(name: str) -> str | None:
    return NOOP if name in ("noop", "no_op") else None


def _of_verb(verb: str, inner: Any, related: Sequence[Memory], fact: str) -> Iterator[Request]:
    """The requests of `{"UPDATE": ...}`; an empty value asks for nothing, except that of NOOP."""
    if verb == NOOP:
        if inner is not False and inner != []:
            yield Request(NOOP)
    elif isinstance(inner, list):
        for item in inner:
            yield from _of_verb(verb, item, related, fact) if not isinstance(item, list) else ()
    elif isinstance(inner, dict):
        yield _from_fields(verb, {_key(name): value for name, value in inner.items()})
    elif isinstance(inner, str) and inner.strip():
        yield read_body(verb, inner, related, fact)
    elif isinstance(inner, int) and not isinstance(inner, bool):
        yield Request(verb, str(inner))


def _from_fields(verb: str, fields: dict[str, Any]) -> Request:
    for name in _INSIDE:
        inner = fields.get(name)
        inner = find_json(inner) if isinstance(inner, str) else inner
        if isinstance(inner, dict):
            fields = {key: v for key, v in fields.items() if key != "name"}
            fields |= {_key(key): v for key, v in inner.items()}
    text = next((v for name in _NEW if isinstance(v := fields.get(name), str) and v.strip()), None)
    old = next((v for name in _OLD if isinstance(v := fields.get(name), str) and v.strip()), None)
    ids = (fields.get(name) for name in _TARGET)
    numbers = (v for v in ids if isinstance(v, (int, str)) and not isinstance(v, bool))
    target = next((str(v) for v in numbers if str(v).strip() and v != text), None)
    return Request(verb, None if verb == ADD else target, text and text.strip(), old)


def _key(name: object) -> str:
    return re.sub(r"[\s\-]+", "_", str(name)[:40].strip().lower())
