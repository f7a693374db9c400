"""The dialect of chat models: asked in short instructions with memories one a line, answered in JSON, and read
tolerantly, for they put markdown, numbers and explanations around what is meant. What is not clear is rejected, never
guessed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from memfactory_core.dialects import ANSWER, CITED, NONE, DateOf, Dialect, undated
from memfactory_core.dialects.citations import ANSWER_LABEL, split_citations
from memfactory_core.dialects.listing import is_refusal, read_list
from memfactory_core.dialects.markdown import unwrapped, without_fences, without_marks
from memfactory_core.dialects.objects import find_json, find_values
from memfactory_core.dialects.operations import (
    ADD,
    DELETE,
    HELD,
    MERGE,
    NOOP,
    UNKNOWN,
    UNKNOWN_MERGE,
    UPDATE,
    holds_operation,
)
from memfactory_core.dialects.prompts import fill_prompt
from memfactory_core.dialects.queries import read_key, read_query
from memfactory_core.dialects.requests import MOST, SEVERAL, Request, read_fields, read_lines
from memfactory_core.dialects.wordings import default_prompt, write_memories
from memfactory_core.text import contains_words, words
from memfactory_core.types import Memory, Message, Op

_ADD_WHOLE = re.compile(r"\W{0,6}ADD\W{1,6}")
_HASH = re.compile(r"#\s?(\w+)")
_NUMBERED = re.compile(
    r"\b(?:memory|memories|id|number|no\.?|item)s?\s{0,3}[:=#]?\s{0,3}(\w+)", re.I
)
_FILLERS = frozenset(
    "memory memories id ids and number numbers no select selected choose chosen item items the are is "
    "relevant needed useful i in to for this question answer answers".split()
)
_NOTHING = re.compile(
    r"\W*(?:none|nothing|no[_ ]cite|n/a|(?:there (?:is|are) )?no (?:\w+ ){0,3}memor(?:y|ies)\b[^#]{0,80}|"
    r"none of (?:the|these|them)\b[^#]{0,80})\W*$",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")
_BRACKETED = re.compile(r"\[\s?#?(\d{1,9})\s?\]")
_CLAUSE = re.compile(r"[.;\n]\s|,\s(?=but|while)")
NEAR = 200
"""Characters around an id in which a word such as "not" belongs to it."""
MOST_IDS = 1000
_NOT = re.compile(
    r"\b(?:not|n't|irrelevant|unrelated|unnecessary|excluded?|ignored?|skip(?:ped)?)\b|n't\b|n’t\b",
    re.I,
)
_MEMORY_LABEL = re.compile(
    r"(?:(?:sure|certainly|of course|okay|ok|absolutely|understood)[!,.]?\s{1,3})?"
    r"(?:here is (?:the|my) |the )?(?:new|updated|revised|current)? ?memory(?: is)?\s?:\s*|remember:\s*",
    re.IGNORECASE,
)


class Chat(Dialect, kind="chat"):
    """Understands chat models: operations as lines or JSON, whatever decorates them."""

    fixed_prompts: ClassVar[bool] = False
    examples: bool = False
    """Whether each prompt shows one worked example; for models that do not follow an instruction alone. A prompt of
    your own stays as it is."""
    quotes: bool = False
    """Whether a reranker is asked for the words of the memories that are needed instead of their ids. A small model
    copies a sentence that fits a question more readily than it looks its number up. Both are read, whatever is asked.
    """

    def messages(
        self,
        wording: str,
        fixed: Sequence[Message],
        values: Mapping[str, Any],
        given: str | None = None,
        date_of: DateOf = undated,
    ) -> list[Message]:
        """The recipe's prompt or this dialect's own, filled; an unknown part's words where there is neither."""
        asked = "rerank_quotes" if self.quotes and wording == "rerank" else wording
        text = given or default_prompt(asked, self.examples)
        if text is None:
            return list(fixed)
        memories = values.get("memories", ())
        listed = write_memories(memories, date_of, with_ids=wording != "answer")
        return fill_prompt(text, {**values, "memories": listed})

    def read_operations(
        self, text: str, related: Sequence[Memory], fact: str = "", merging: bool = False
    ) -> list[Op]:
        """One operation, or all of a list; explanations around them are left out."""
        unknown = UNKNOWN_MERGE if merging else UNKNOWN

        def refuse(reason: str) -> list[Op]:
            return [Op(action="reject", text=text, reason=reason)]

        if not text.strip():
            return refuse(f"{unknown}: nothing was said")
        requests, wrong = _read_requests(text, related, fact)
        if wrong:
            return refuse(wrong)
        if not requests:
            return refuse(f"{unknown}: a refusal" if is_refusal(text) else unknown)
        if len(requests) > MOST:
            return refuse(f"more than {MOST} operations")
        shown = "\n".join([fact, *(memory.text for memory in related)])
        ops = [_settle(request, related, shown, merging) for request in requests]
        wrongs = [op.reason for op in ops if op.action == "reject"]
        if wrongs:
            return refuse(wrongs[0])
        return [op for op in ops if op.action != "noop"] or ops[:1]

    def read_choice(self, text: str, shown: Sequence[Memory]) -> tuple[list[Memory], str]:
        """Ids or quotes in any form, or a word for none of them."""
        by_id = {memory.id: memory for memory in shown}
        by_words = {" ".join(words(memory.text)): memory.id for memory in shown}
        bare = without_fences(text).strip()
        value = find_json(bare)
        single = _BRACKETED.findall(bare)
        if value == [] or _NOTHING.match(bare) or _lists_nothing(value):
            return [], ""
        if len(single) > 1 and not _BRACKETED.sub("", bare).strip(" ,;\n\t"):
            ids = single
        elif value is not None:
            ids = _ids_in(value, by_words)
        else:
            ids, wrong = _ids_in_lines(bare, by_words)
            if wrong:
                return [by_id[name] for name in dict.fromkeys(ids) if name in by_id], wrong
        unknown = next((name for name in ids if name not in by_id), None)
        chosen = [by_id[name] for name in dict.fromkeys(ids) if name in by_id]
        if unknown is not None:
            return chosen, f"no memory #{unknown[:40]} was shown"
        return chosen, "" if chosen else "no memory was chosen"

    def read_memory(self, text: str, shown: str = "") -> tuple[str, str]:
        """The output without fences, labels and quotation marks; a refusal or an operation is no memory."""
        if is_refusal(text) and text.strip() not in shown:
            return text, "a refusal, no memory"
        bare = without_fences(text).strip()
        label = _MEMORY_LABEL.match(bare.lstrip("*# "))
        if label:
            bare = bare.lstrip("*# ")[label.end() :].lstrip("* \n")
        memory = unwrapped(bare)
        return memory, HELD if holds_operation(memory, shown) else ""

    def read_facts(self, text: str, shown: str = "", cut_off: bool = False) -> list[str]:
        """One fact a line or a JSON list; greetings, headings and words for none are no facts."""
        return read_list(text, shown, cut_off)

    def read_answer(self, text: str) -> str:
        """The output without the label that the prompt ends with: models repeat it."""
        label = ANSWER_LABEL.match(text)
        return text[label.end() :] if label and text[label.end() :].strip() else text

    def read_query(self, text: str, question: str = "") -> tuple[str, str]:
        """A query in any dress, or any words for "no search"."""
        return read_query(text, question)

    def read_key(self, text: str, shown: str = "") -> tuple[str, str]:
        """Words on one line, or a list of them."""
        return read_key(text, shown)

    def read_citations(self, text: str, shown: Sequence[Memory]) -> tuple[list[Memory], str, str]:
        """A line of ids before or after the answer, fields of JSON, or ids in brackets inside the answer."""
        named, answer = split_citations(text)
        if named is None:
            return [], answer, "the answer names no memories"
        chosen, wrong = self.read_choice(named, shown) if named.strip() else ([], "")
        return chosen, answer, wrong

    def write_operation(self, op: Op, related: Sequence[Memory], merging: bool = False) -> str:
        """One JSON object on one line, as the prompts show it."""
        change = MERGE if merging else UPDATE
        verb = {"add": ADD, "update": change, "delete": DELETE}.get(op.action, NOOP)
        fields: dict[str, Any] = {"op": verb}
        if verb in (change, DELETE):
            fields["id"] = _number(op.memory_id or "")
        if verb in (ADD, change):
            fields["text"] = op.text or ""
        return json.dumps(fields, ensure_ascii=False)

    def write_choice(self, chosen: Sequence[Memory]) -> str:
        """The ids as a JSON list; the words, a memory a line, where quotes are asked for."""
        if self.quotes:
            return "\n".join(memory.text for memory in chosen) or NONE
        return _write_ids(chosen)

    def write_answer(self, answer: str) -> str:
        """The answer in a box."""
        return f"\\boxed{{{answer.strip().rstrip('.')}}}"

    def write_query(self, query: str) -> str:
        """The words alone."""
        return query or NONE

    def write_citations(self, cited: Sequence[Memory], answer: str) -> str:
        """The ids as a JSON list, then the answer."""
        return f"{CITED} {_write_ids(cited)}\n{ANSWER} {answer}"


def _number(memory_id: str) -> int | str:
    return int(memory_id) if memory_id.isdecimal() and memory_id.isascii() else memory_id


def _read_requests(text: str, related: Sequence[Memory], fact: str) -> tuple[list[Request], str]:
    bare = without_fences(text)
    whole = _ADD_WHOLE.match(bare)
    # a fact of several lines would else be cut at the first
    if whole and "\n" in fact.strip() and bare[whole.end() :].startswith(fact.strip()):
        return [Request(ADD, text=fact.strip())], ""
    values, between = find_values(bare, MOST + 1)
    found = read_fields(values[0] if len(values) == 1 else values, related, fact) if values else []
    if not found:
        return read_lines(bare, related, fact)
    return found, SEVERAL if between and len(found) > 1 else ""


def _settle(request: Request, related: Sequence[Memory], shown: str, merging: bool) -> Op:
    """The operation of a request, once the memory that it names is found and its text may be stored."""

    def refuse(reason: str) -> Op:
        return Op(action="reject", reason=reason)

    verb = UPDATE if request.verb == MERGE else request.verb
    if merging and verb not in (ADD, UPDATE):
        return refuse(UNKNOWN_MERGE)
    if verb == NOOP:
        return Op(action="noop", text=NOOP)
    if verb != DELETE and not (request.text or "").strip():
        return refuse("no text was given")
    if verb != DELETE and holds_operation(request.text or "", shown):
        return refuse(HELD)
    if verb == ADD:
        return Op(action="add", text=request.text)
    known, wrong = _find(request, related)
    if known is None:
        return refuse(wrong)
    if verb == DELETE:
        return Op(action="delete", memory_id=known.id)
    reason = "merged" if merging else ""
    return Op(action="update", memory_id=known.id, text=request.text, reason=reason)


def _find(request: Request, related: Sequence[Memory]) -> tuple[Memory | None, str]:
    """The memory that a request names by id, by quote or by both; or None and the reason."""
    if request.target is not None:
        name = request.target.strip().strip("#[]()<>\"'").strip()
        named = {one for one in _WORD.findall(name) if one.isdigit() or _knows(related, one)}
        if len(named) > 1:
            return None, "more than one memory"
        name = name.split()[-1].lstrip("#") if name and ", " not in name else name
        known = next((memory for memory in related if memory.id == name), None)
        if known is None:
            several = ", " in name
            return None, "more than one memory" if several else f"no memory #{name[:40]} was shown"
        # the text beside a deletion may be the fact; another memory's text says that the id is wrong
        others = [memory for memory in related if memory.id != known.id]
        mistaken = request.verb == DELETE and any(m.text == request.text for m in others)
        if mistaken or (request.old and not _same(request.old, known.text)):
            return None, f"the quote is not memory #{known.id}"
        return known, ""
    quote = request.old or (request.text if request.verb == DELETE else None)
    quoted = [memory for memory in related if quote and _same(quote, memory.text)]
    if len(quoted) == 1:
        return quoted[0], ""
    return None, "no memory was named"


def _knows(related: Sequence[Memory], name: str) -> bool:
    return any(memory.id == name for memory in related)


def _same(quote: str, text: str) -> bool:
    """Whether a quote is a memory's text, or a part of it of at least three words."""
    return words(quote) == words(text) or (len(words(quote)) > 2 and contains_words(text, quote))


def _lists_nothing(value: object) -> bool:
    """Whether an object's lists are all empty."""
    lists = list(value.values()) if isinstance(value, dict) else []
    return bool(lists) and all(inner == [] for inner in lists)


def _ids_in(value: object, by_words: Mapping[str, str]) -> list[str]:
    """The ids in a JSON value: a list of numbers, names or quotes, of objects with an id, or an object with such a
    list."""
    if isinstance(value, dict):
        if "id" in value or "memory_id" in value:
            return _ids_in(value.get("id", value.get("memory_id")), by_words)
        value = [inner for inner in value.values() if isinstance(inner, (list, int))]
    if isinstance(value, list):
        flat = [inner for inner in value if isinstance(inner, (int, str, dict, list))]
        return [name for inner in flat[:MOST_IDS] for name in _ids_in(inner, by_words)]
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return []
    text = str(value).strip()
    hashed = [found[1] for found in _HASH.finditer(text)]
    quoted = by_words.get(" ".join(words(text)))
    return hashed or ([quoted] if quoted else [text.split()[-1].strip("[]()<>")] if text else [])


def _ids_in_lines(text: str, by_words: Mapping[str, str]) -> tuple[list[str], str]:
    """The ids that lines of text choose, and the first quote that stands beside another memory's id."""
    known = set(by_words.values())
    ids: list[str] = []
    wrong = ""
    lines = [without_marks(line) for line in text.splitlines() if line and not line.isspace()]
    for line in lines:
        start = 0
        for found in _HASH.finditer(line):
            quoted = by_words.get(" ".join(words(line[start : found.start()])))
            # as memories are listed for a chat model, an id stands before its text: `#1 Text. #2 Other text.`
            quoted = None if start and ids and quoted == ids[-1] else quoted
            start = found.end()
            if quoted is not None and quoted != found[1]:
                wrong = wrong or f"the quote is not memory #{found[1][:40]}"
            elif quoted is not None or not _is_refused(line, found.start()):
                ids.append(found[1])
        # a label or a date may stand before
        for said in () if start else (line, line.partition(":")[2], line.partition("]")[2]):
            if quoted := by_words.get(" ".join(words(said))):
                ids.append(quoted)
                break
    if ids or wrong:
        return ids, wrong
    for bare in (" ".join(lines), text):
        left = [word for word in _WORD.findall(bare) if word.lower() not in _FILLERS]
        if left and all(word in known or word.isdigit() for word in left):
            return left, ""
    named = (found for found in _NUMBERED.finditer(text) if not _is_refused(text, found.start()))
    return [found[1] for found in named if found[1] in known or found[1].isdigit()], ""


def _write_ids(memories: Sequence[Memory]) -> str:
    return json.dumps([_number(memory.id) for memory in memories])


def _is_refused(line: str, place: int) -> bool:
    """Whether the clause around a place says that something is not needed."""
    before = _CLAUSE.split(line[max(0, place - NEAR) : place])[-1]
    after = _CLAUSE.split(line[place : place + NEAR])[0]
    return _NOT.search(before + after) is not None
