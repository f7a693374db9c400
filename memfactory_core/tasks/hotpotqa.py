"""HotpotQA (arXiv 1809.09600, distractor setting): questions that need two documents out of many.

Reads the Hugging Face layout (tables of lists) and the original one (lists of pairs). Contexts of N
documents are filled up with the documents of other records; the order is drawn anew for every
example (MemAgent's own sets put the needed documents at the same positions in each). In the fullwiki
setting a needed page may be missing, and a few published facts point behind a page's last sentence: such
facts are left out and listed in `meta["missing_evidence"]`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from pydantic import Field

from memfactory_core.errors import ConfigError
from memfactory_core.tasks import Task
from memfactory_core.tasks.data_file import DataPath, Entry, read_entries, take
from memfactory_core.tasks.identity import distinct, text_id
from memfactory_core.tasks.language import Split
from memfactory_core.types import Evidence, Example


@dataclass(frozen=True)
class Document:
    """A titled paragraph, sentence by sentence."""

    title: str
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        """The document as it is read."""
        return f"{self.title}: " + " ".join(sentence for sentence in self.sentences if sentence)


@dataclass(frozen=True)
class Question:
    """One record: its documents, the sentences that answer it as (document, number), and the facts that no
    document states."""

    id: str
    entry: Entry
    documents: tuple[Document, ...]
    needed: tuple[tuple[Document, int], ...]
    missing: tuple[str, ...]


class HotpotQA(Task, kind="hotpotqa"):
    """Keep the two or more sentences that a question needs out of N documents (HotpotQA)."""

    path: DataPath
    """The data file: the published json, or its parquet or jsonl form."""
    documents: int = Field(10, ge=2, le=100_000)
    """How many documents are read (N); those beyond a record's own come from other records."""
    documents_per_section: int = Field(1, ge=1, le=1000)
    """How many documents form one section."""

    def examples(self, count: int, seed: int, split: Split = "train") -> list[Example]:
        """The file's questions; distractors and positions depend on the seed."""
        entries = read_entries(self.path)
        names = distinct([_own_name(entry) for entry in entries], entries)
        questions = [_read(entry, name) for entry, name in zip(entries, names, strict=True)]
        pool = {document.title: document for q in questions for document in q.documents}
        return [self._example(question, pool, seed) for question in take(questions, count, seed)]

    def files(self) -> list[str]:
        """The data file."""
        return [self.path]

    def _example(self, question: Question, pool: dict[str, Document], seed: int) -> Example:
        rng = random.Random(f"hotpotqa {seed} {question.id}")
        documents = self._choose(question, pool, rng)
        rng.shuffle(documents)
        place = {document: index for index, document in enumerate(documents)}
        size = self.documents_per_section
        evidence = tuple(
            Evidence(text=document.sentences[sentence], observation=place[document] // size)
            for document, sentence in question.needed
        )
        missing = {"missing_evidence": list(question.missing)} if question.missing else {}
        entry = question.entry
        return Example(
            id=f"hotpotqa-{question.id}",
            observations=tuple(
                "\n".join(document.text for document in documents[start : start + size])
                for start in range(0, len(documents), size)
            ),
            question=entry.text("question"),
            answers=entry.answers("answer"),
            evidence=evidence,
            meta={
                "category": entry.text("type") if entry.has("type") else "",
                "documents": len(documents),
                "positions": sorted({place[document] for document, _ in question.needed}),
                **missing,
            },
            text_id=text_id(sorted(document.text for document in question.documents)),
        )

    def _choose(
        self, question: Question, pool: dict[str, Document], rng: random.Random
    ) -> list[Document]:
        """The needed documents, then the record's own, then other records', N in all."""
        wanted = {document for document, _ in question.needed}
        needed = [document for document in question.documents if document in wanted]
        own = [document for document in question.documents if document not in wanted]
        if len(needed) > self.documents:
            question.entry.fail(
                "supporting_facts",
                f"needs {len(needed)} documents, more than documents = {self.documents}",
            )
        if self.documents < len(question.documents):
            return [*needed, *rng.sample(own, self.documents - len(needed))]
        taken = {document.title for document in question.documents}
        others = [document for title, document in pool.items() if title not in taken]
        missing = self.documents - len(question.documents)
        if missing > len(others):
            raise ConfigError(
                f"{self.path}: holds {len(pool)} different documents, too few for documents = "
                f"{self.documents}; use a larger file or fewer documents"
            )
        return [*question.documents, *rng.sample(others, missing)]


def _own_name(entry: Entry) -> str:
    number = entry.place.split()[-1]
    return next((entry.text(field) for field in ("id", "_id") if entry.has(field)), number)


def _read(entry: Entry, name: str) -> Question:
    documents = _documents(entry)
    known, missing = [], []
    for title, sentence in dict.fromkeys(_needed(entry)):
        # two pages may have one title; the fact is of the one that has the sentence
        stated = next(
            (
                document
                for document in documents
                if document.title == title
                and 0 <= sentence < len(document.sentences)
                and document.sentences[sentence]
            ),
            None,
        )
        if stated:
            known.append((stated, sentence))
        else:
            missing.append(f"{title}, sentence {sentence}")
    return Question(name, entry, documents, tuple(known), tuple(missing))


def _documents(entry: Entry) -> tuple[Document, ...]:
    context = entry.value("context", (dict, list))
    if isinstance(context, dict):
        titles, sentences = entry.texts("context.title"), entry.items("context.sentences", list)
        if len(titles) != len(sentences):
            entry.fail("context", f"{len(titles)} titles but {len(sentences)} lists of sentences")
        pairs = list(zip(titles, sentences, strict=True))
    else:
        pairs = [_pair(entry, "context", item, str, list) for item in context]
    documents: dict[Document, None] = {}
    for title, texts in pairs:
        if not all(isinstance(text, str) for text in texts):
            entry.fail("context", f"the sentences of {title!r} are not all texts")
        documents[Document(title, tuple(text.strip() for text in texts))] = None
    if not documents:
        entry.fail("context", "holds no documents")
    return tuple(documents)


def _needed(entry: Entry) -> list[tuple[str, int]]:
    facts = entry.value("supporting_facts", (dict, list))
    if isinstance(facts, list):
        return [_pair(entry, "supporting_facts", item, str, int) for item in facts]
    titles = entry.texts("supporting_facts.title")
    sentences = entry.items("supporting_facts.sent_id", int)
    if len(titles) != len(sentences):
        entry.fail(
            "supporting_facts", f"{len(titles)} titles but {len(sentences)} sentence numbers"
        )
    return list(zip(titles, sentences, strict=True))


def _pair(entry: Entry, field: str, item: object, first: type, second: type) -> tuple:
    if not isinstance(item, list) or len(item) != 2:
        entry.fail(field, f"expected pairs, got {str(item)[:60]}")
    if not isinstance(item[0], first) or not isinstance(item[1], second):
        entry.fail(
            field, f"expected pairs of {first.__name__} and {second.__name__}, got {str(item)[:60]}"
        )
    return item[0], item[1]
