"""MemAgent's own files (arXiv 2507.02259): eval_N.json and eval_fwe with {context, input, answers},
and the training parquet with {context, prompt, reward_model}; RULER's (arXiv 2404.06654) in the same form
call the answers `outputs`, and its own hold the text and, in its last line, the question in `input`. They name no
evidence. Their documents lie at the same places in every sample;
`shuffle` draws the order anew."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from memfactory_core.tasks import Task
from memfactory_core.tasks.data_file import DataPath, Entry, read_entries, take
from memfactory_core.tasks.identity import text_id
from memfactory_core.tasks.language import Split
from memfactory_core.tasks.sections import cut
from memfactory_core.types import Example

_DOCUMENT = re.compile(r"^Document \d+:\s*", re.MULTILINE)
_ALTERNATIVES = re.compile(r"(?<![a-z])qa(?![a-z])")
_ALL_NEEDED = re.compile(r"(?<![a-z])(?:niah|fwe|cwe|vt|variable_tracking)(?![a-z])")
"""RULER's tests by the names of their files: qa_1 lists wordings of one answer, the others all that is asked."""


NUMBERS = (
    "holds the numbers of documents instead of their text, as MemAgent's longest files do; write the text itself "
    "into context, as 'Document 1:\\n...' one after the other, or read HotpotQA's file with the task's kind "
    "'hotpotqa' and as many documents"
)


class MemAgentFile(Task, kind="memagent_file"):
    """Read a MemAgent file: long contexts of many documents and a question."""

    path: DataPath
    """The data file: json, jsonl or parquet, as published by MemAgent."""
    section: int = Field(20_000, ge=100, le=10_000_000)
    """The longest section, in characters; MemAgent's 5,000 tokens are about 20,000."""
    shuffle: bool = False
    """Whether the documents are put into a new order, drawn for each sample; false reads the file
    as it is."""
    golds: Literal["auto", "any", "all"] = "auto"
    """Whether one of the listed answers is enough or all are needed. auto: all in files named after RULER's
    niah, vt, cwe and fwe and in a field called outputs, one elsewhere and in RULER's qa."""

    def examples(self, count: int, seed: int, split: Split = "train") -> list[Example]:
        """The samples in the file's order; a seeded draw of them where there are more than
        `count`."""
        return [self._example(entry, seed) for entry in take(read_entries(self.path), count, seed)]

    def files(self) -> list[str]:
        """The data file."""
        return [self.path]

    def _example(self, entry: Entry, seed: int) -> Example:
        number = entry.place.split()[-1]
        if isinstance(listed := entry.values.get("context"), list) and any(
            isinstance(item, int) for item in listed
        ):
            entry.fail("context", NUMBERS)
        name = next(
            (
                str(entry.value(f, (int, str)))
                for f in ("index", "extra_info.index")
                if entry.has(f)
            ),
            number,
        )
        context, question = _text_and_question(entry)
        documents = _documents(context)
        if self.shuffle and len(documents) > 1:
            drawn = random.Random(f"memagent_file {seed} {number}").sample(
                documents, len(documents)
            )
            context = "\n\n".join(f"Document {n}:\n{text}" for n, text in enumerate(drawn, 1))
        field = next((name for name in ("answers", "outputs") if entry.has(name)), None)
        golds = entry.answers(field or _truth(entry))
        meta: dict[str, Any] = {}
        found = next((f for f in ("num_docs", "extra_info.num_docs") if entry.has(f)), None)
        if found:
            meta["documents"] = entry.value(found, int)
        if every := len(golds) > 1 and self._needs_all(field):
            meta["all_of"] = list(golds)
        return Example(
            id=f"memagent-{name}-{number}",
            observations=tuple(cut(context, self.section)),
            question=question,
            answers=(", ".join(golds),) if every else golds,
            meta=meta,
            text_id=text_id(sorted(documents)),
        )

    def _needs_all(self, field: str | None) -> bool:
        if self.golds != "auto":
            return self.golds == "all"
        name = Path(self.path).stem.lower()
        if _ALTERNATIVES.search(name):
            return False
        return field == "outputs" or bool(_ALL_NEEDED.search(name))


def _text_and_question(entry: Entry) -> tuple[str, str]:
    if entry.has("context") or not (entry.has("input") and entry.has("outputs")):
        return entry.text("context"), _question(entry)
    told = entry.text("input")
    if entry.has("answer_prefix"):
        told = told.removesuffix(entry.text("answer_prefix")).rstrip()
    context, _, question = told.rpartition("\n")
    if not context.strip():
        entry.fail(
            "input", "holds one line; the text and, in the last line, the question are needed"
        )
    return context.strip(), question.strip()


def _question(entry: Entry) -> str:
    for field in ("input", "extra_info.question"):
        if entry.has(field):
            return entry.text(field)
    if not entry.has("prompt"):
        entry.fail("input", "is missing, and so are extra_info.question and prompt")
    return entry.entries("prompt", "message")[-1].text("content")


def _truth(entry: Entry) -> str:
    if not entry.has("reward_model"):
        entry.fail("answers", "is missing, and so are outputs and reward_model.ground_truth")
    return "reward_model.ground_truth"


def _documents(context: str) -> list[str]:
    """The documents of a context without their numbers; the context as one where it has no numbered ones."""
    starts = [found.start() for found in _DOCUMENT.finditer(context)]
    if len(starts) < 2:
        return [context]
    ends = [*starts[1:], len(context)]
    return [
        _DOCUMENT.sub("", context[a:b], count=1).strip() for a, b in zip(starts, ends, strict=True)
    ]
