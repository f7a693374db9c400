"""Any file of the user's: one record is one example, its fields named by columns."""

from __future__ import annotations

from pydantic import Field

from memfactory_core.tasks import Task
from memfactory_core.tasks.data_file import Entry, read_entries, take
from memfactory_core.tasks.language import Split
from memfactory_core.tasks.sections import cut
from memfactory_core.text import contains_words
from memfactory_core.types import Evidence, Example


class AnyFile(Task, kind="jsonl"):
    """Read your own jsonl, json, csv or parquet file by the names of its columns."""

    path: str
    """The data file; it ends in .jsonl, .json, .csv or .parquet."""
    context: str = "context"
    """Column of what is read: a text, or a list of texts that are read one by one."""
    question: str = "question"
    """Column of the question; a.b names field b inside a."""
    answers: str = "answer"
    """Column of the right answer, or of a list of them that are all right."""
    evidence: str = ""
    """Column of the sentences that must be remembered, a text or a list; empty where there is
    none."""
    category: str = ""
    """Column by which results are grouped; empty where there is none."""
    name: str = ""
    """Column of the record's id; empty means its number."""
    section: int = Field(20_000, ge=20, le=10_000_000)
    """The longest section, in characters; longer texts are cut between paragraphs, lines or
    words."""

    def examples(self, count: int, seed: int, split: Split = "train") -> list[Example]:
        """The records in the file's order; a seeded draw of them where there are more than
        `count`."""
        return [self._example(entry) for entry in take(read_entries(self.path), count, seed)]

    def files(self) -> list[str]:
        """The data file."""
        return [self.path]

    def _example(self, entry: Entry) -> Example:
        observations = tuple(
            part for text in _texts(entry, self.context) for part in cut(text, self.section)
        )
        if not observations:
            entry.fail(self.context, "is empty")
        name = entry.answers(self.name)[0] if self.name else entry.place.replace(" ", "-")
        evidence = (
            _texts(entry, self.evidence) if self.evidence and entry.has(self.evidence) else []
        )
        return Example(
            id=name,
            observations=observations,
            question=entry.text(self.question),
            answers=entry.answers(self.answers),
            evidence=tuple(_locate(entry, self.evidence, text, observations) for text in evidence),
            meta={"category": entry.answers(self.category)[0]} if self.category else {},
        )


def _texts(entry: Entry, field: str) -> list[str]:
    found = entry.value(field, (str, list))
    return [found] if isinstance(found, str) else entry.texts(field)


def _locate(entry: Entry, field: str, text: str, observations: tuple[str, ...]) -> Evidence:
    for index, observation in enumerate(observations):
        if contains_words(observation, text):
            return Evidence(text=text, observation=index)
    return entry.fail(
        field, f"no section states {text[:60]!r}; evidence must be a part of the context"
    )
