"""MemAgent's own files (arXiv 2507.02259): eval_N.json and eval_fwe with {context, input, answers},
and the training parquet with {context, prompt, reward_model}. They name no evidence. Their
documents lie at the same places in every sample; `shuffle` draws the order anew."""

from __future__ import annotations

import random
import re

from pydantic import Field

from memfactory_core.tasks import Task
from memfactory_core.tasks.data_file import Entry, read_entries, take
from memfactory_core.tasks.language import Split
from memfactory_core.tasks.sections import cut
from memfactory_core.types import Example

_DOCUMENT = re.compile(r"^Document \d+:\s*", re.MULTILINE)


class MemAgentFile(Task, kind="memagent_file"):
    """Read a MemAgent file: long contexts of many documents and a question."""

    path: str
    """The data file: json, jsonl or parquet, as published by MemAgent."""
    section: int = Field(20_000, ge=100, le=10_000_000)
    """The longest section, in characters; MemAgent's 5,000 tokens are about 20,000."""
    shuffle: bool = False
    """Whether the documents are put into a new order, drawn for each sample; false reads the file
    as it is."""

    def examples(self, count: int, seed: int, split: Split = "train") -> list[Example]:
        """The samples in the file's order; a seeded draw of them where there are more than
        `count`."""
        return [self._example(entry, seed) for entry in take(read_entries(self.path), count, seed)]

    def files(self) -> list[str]:
        """The data file."""
        return [self.path]

    def _example(self, entry: Entry, seed: int) -> Example:
        number = entry.place.split()[-1]
        name = next(
            (
                str(entry.value(f, (int, str)))
                for f in ("index", "extra_info.index")
                if entry.has(f)
            ),
            number,
        )
        context = entry.text("context")
        if self.shuffle:
            context = _reorder(context, random.Random(f"memagent_file {seed} {number}"))
        found = next((f for f in ("num_docs", "extra_info.num_docs") if entry.has(f)), None)
        return Example(
            id=f"memagent-{name}-{number}",
            observations=tuple(cut(context, self.section)),
            question=_question(entry),
            answers=entry.answers("answers" if entry.has("answers") else _truth(entry)),
            meta={"documents": entry.value(found, int)} if found else {},
        )


def _question(entry: Entry) -> str:
    for field in ("input", "extra_info.question"):
        if entry.has(field):
            return entry.text(field)
    if not entry.has("prompt"):
        entry.fail("input", "is missing, and so are extra_info.question and prompt")
    return entry.entries("prompt", "message")[-1].text("content")


def _truth(entry: Entry) -> str:
    if not entry.has("reward_model"):
        entry.fail("answers", "is missing, and so is reward_model.ground_truth")
    return "reward_model.ground_truth"


def _reorder(context: str, rng: random.Random) -> str:
    starts = [found.start() for found in _DOCUMENT.finditer(context)]
    if len(starts) < 2:
        return context
    ends = [*starts[1:], len(context)]
    documents = [
        _DOCUMENT.sub("", context[a:b], count=1).strip() for a, b in zip(starts, ends, strict=True)
    ]
    rng.shuffle(documents)
    return "\n\n".join(f"Document {n}:\n{document}" for n, document in enumerate(documents, 1))
