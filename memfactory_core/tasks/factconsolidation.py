"""FactConsolidation of MemoryAgentBench (arXiv 2507.05257): numbered facts of which later ones
overrule earlier ones that contradict them. The file names no evidence, so only answers are
scored."""

from __future__ import annotations

import re

from pydantic import Field

from memfactory_core.tasks import Task
from memfactory_core.tasks.data_file import Entry, read_entries, take
from memfactory_core.tasks.language import Split
from memfactory_core.types import Example, Question

_FACT = re.compile(r"^\s*(\d+)\.\s+(\S.*?)\s*$", re.MULTILINE)


class FactConsolidation(Task, kind="factconsolidation"):
    """Remember which of two facts that contradict each other came last (FactConsolidation)."""

    path: str
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
        examples = [
            example
            for entry in read_entries(self.path)
            if self.source
            in (entry.text("metadata.source") if entry.has("metadata.source") else "")
            for example in self._record(entry)
        ]
        return take(examples, count, seed)

    def files(self) -> list[str]:
        """The data file."""
        return [self.path]

    def _record(self, entry: Entry) -> list[Example]:
        """The examples of one record: one, or one for each question."""
        facts = _FACT.findall(entry.text("context"))
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
        source = entry.text("metadata.source") if entry.has("metadata.source") else entry.place
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
                id=f"{source.replace(' ', '-')}-{number}",
                observations=observations,
                question=first.question,
                answers=first.answers,
                others=tuple(others),
                meta={"category": source, "facts": len(facts)},
            )
            for number, (first, *others) in enumerate(together)
        ]
