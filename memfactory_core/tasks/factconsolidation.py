"""FactConsolidation of MemoryAgentBench (arXiv 2507.05257): numbered facts of which later ones
overrule earlier ones that contradict them. The file names no evidence, so only answers are
scored."""

from __future__ import annotations

import re

from pydantic import Field

from memfactory_core.tasks import Task
from memfactory_core.tasks.data_file import DataPath, Entry, read_entries, take
from memfactory_core.tasks.identity import distinct, refuse_unknown, text_id
from memfactory_core.tasks.language import Split
from memfactory_core.types import Example, Question

_FACT = re.compile(r"^[^\S\n]*+(\d+)\.\s++(\S.*)$", re.MULTILINE)
"""A numbered line. No two parts of it can share a run of spaces, so it is read in one pass."""


class FactConsolidation(Task, kind="factconsolidation"):
    """Remember which of two facts that contradict each other came last (FactConsolidation)."""

    path: DataPath
    """The data file: json or parquet with context, questions, answers and metadata."""
    source: str = ""
    """Only records whose metadata.source contains this, such as sh_6k (one hop, 6k tokens) or
    mh_32k."""
    facts_per_section: int = Field(50, ge=1, le=100_000)
    """How many facts form one section."""
    together: bool = True
    """Ask all questions of a record of one memory, instead of reading the facts anew for each."""
    numbers: bool = True
    """Whether the facts keep their numbers; the order of reading tells the same."""

    def examples(self, count: int, seed: int, split: Split = "train") -> list[Example]:
        """The questions in the file's order; a seeded draw of them where there are more than
        `count`."""
        entries = read_entries(self.path)
        sources = [_source(entry) for entry in entries]
        names = distinct([source.replace(" ", "-") for source in sources], entries)
        examples = [
            example
            for entry, source, name in zip(entries, sources, names, strict=True)
            if not self.source or (entry.has("metadata.source") and self.source in source)
            for example in self._record(entry, source, name)
        ]
        if not examples:
            refuse_unknown(self.path, "record with a metadata.source like", self.source, sources)
        return take(examples, count, seed)

    def files(self) -> list[str]:
        """The data file."""
        return [self.path]

    def _record(self, entry: Entry, source: str, name: str) -> list[Example]:
        """The examples of one record: one, or one for each question."""
        context = entry.text("context")
        facts = [(number, fact.rstrip()) for number, fact in _FACT.findall(context)]
        if not facts:
            entry.fail(
                "context", "holds no numbered facts, a line each, such as '0. Paris is in France.'"
            )
        lines = [f"{number}. {fact}" if self.numbers else fact for number, fact in facts]
        size = self.facts_per_section
        observations = tuple(
            "\n".join(lines[start : start + size]) for start in range(0, len(lines), size)
        )
        questions, answers = entry.texts("questions"), entry.value("answers", list)
        if len(questions) != len(answers):
            entry.fail("answers", f"{len(answers)} answers for {len(questions)} questions")
        asked = [
            Question(
                question=question,
                answers=Entry(
                    {"answers": answer}, entry.file, f"{entry.place}, question {number + 1}"
                ).answers("answers"),
            )
            for number, (question, answer) in enumerate(zip(questions, answers, strict=True))
        ]
        together = [asked] if self.together else [[question] for question in asked]
        return [
            Example(
                id=f"{name}-{number}",
                observations=observations,
                question=first.question,
                answers=first.answers,
                others=tuple(others),
                meta={"category": source, "facts": len(facts)},
                text_id=text_id([context]),
            )
            for number, (first, *others) in enumerate(together)
        ]


def _source(entry: Entry) -> str:
    return entry.text("metadata.source") if entry.has("metadata.source") else entry.place
