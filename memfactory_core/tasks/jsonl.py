"""Any file of the user's: one record is one example, its fields named by columns."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from memfactory_core.tasks import Task
from memfactory_core.tasks.data_file import DataPath, Entry, read_entries, take
from memfactory_core.tasks.identity import distinct, text_id
from memfactory_core.tasks.language import Split
from memfactory_core.tasks.sections import cut
from memfactory_core.text import contains_words
from memfactory_core.types import Evidence, Example


class AnyFile(Task, kind="jsonl"):
    """Read your own jsonl, json, csv or parquet file by the names of its columns."""

    path: DataPath
    """The data file; it ends in .jsonl, .json, .csv or .parquet."""
    context: str = "context"
    """Column of what is read: a text, or a list of texts that are read one by one."""
    question: str = "question"
    """Column of the question; a.b names field b inside a."""
    answers: str = "answer"
    """Column of the right answer, or of a list of them of which each is right."""
    all_of: bool = False
    """Whether an answer must hold all answers of the list, in any order, instead of one."""
    evidence: str = ""
    """Column of the sentences that must be remembered, a text or a list; empty where there is
    none."""
    category: str = ""
    """Column by which results are grouped; empty where there is none."""
    name: str = ""
    """Column of the record's id; empty means its number. Records that share an id are told apart by it."""
    section: int = Field(20_000, ge=20, le=10_000_000)
    """The longest section, in characters; longer texts are cut between paragraphs, lines or
    words."""

    def examples(self, count: int, seed: int, split: Split = "train") -> list[Example]:
        """The records in the file's order; a seeded draw of them where there are more than
        `count`."""
        entries = read_entries(self.path)
        names = distinct([self._name(entry) for entry in entries], entries)
        chosen = take(list(zip(entries, names, strict=True)), count, seed)
        return [self._example(entry, name) for entry, name in chosen]

    def files(self) -> list[str]:
        """The data file."""
        return [self.path]

    def _name(self, entry: Entry) -> str:
        return entry.answers(self.name)[0] if self.name else entry.place.replace(" ", "-")

    def _example(self, entry: Entry, name: str) -> Example:
        texts = _texts(entry, self.context)
        observations = tuple(part for text in texts for part in cut(text, self.section))
        if not observations:
            entry.fail(self.context, "is empty")
        evidence = (
            _texts(entry, self.evidence) if self.evidence and entry.has(self.evidence) else []
        )
        question, golds = entry.text(self.question), entry.answers(self.answers)
        meta: dict[str, Any] = {}
        if self.category:
            meta["category"] = entry.answers(self.category)[0]
        if self.all_of:
            meta["all_of"] = list(golds)
        return Example(
            id=name,
            observations=observations,
            question=question,
            answers=(", ".join(golds),) if self.all_of else golds,
            evidence=tuple(_locate(entry, self.evidence, text, observations) for text in evidence),
            meta=meta,
            text_id=text_id(texts),
        )


def _texts(entry: Entry, field: str) -> list[str]:
    found = entry.value(field, (str, list))
    return [found] if isinstance(found, str) else entry.texts(field)


def _locate(entry: Entry, field: str, text: str, observations: tuple[str, ...]) -> Evidence:
    for index, observation in enumerate(observations):
        if contains_words(observation, text):
            return Evidence(text=text, observation=index)
    problem = f"no section states {text[:60]!r}; evidence must be a part of the context"
    if contains_words(" ".join(observations), text):
        problem = f"{text[:60]!r} lies across two sections; set section to a longer one"
    return entry.fail(field, problem)
