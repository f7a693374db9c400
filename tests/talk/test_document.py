"""Documents: what is read of them, in how many sections, and what is refused in words."""

import pytest

from memfactory_core.errors import ConfigError
from memfactory_core.talk import document
from memfactory_core.talk.document import read_document, read_pages
from tests.talk.pdfs import make_pdf
from tests.talk.talks import BUILT, check_trace, say, scripted, shipped, texts

NAMES = [a + b for a in ("Ba", "Do", "Fi", "Gu", "Ke") for b in "bdfgklmnrt"]
PAGES = [
    [f"The pet of {name}o is Zimo. The city of {name}o", f"is Dema{page}."]
    for page, name in enumerate(NAMES)
]
"""Fifty pages with two facts each; a sentence goes over the end of a line."""


def test_fifty_pages_are_read_in_sections_and_remembered():
    text = read_document("facts.pdf", make_pdf(PAGES))
    talk = scripted("memory-r1-tiny", "paradigm.store.capacity=200")
    seen = [(entry.read, entry.sections) for entry in talk.read_document("facts.pdf", text)]
    assert seen[0] == (0, 100) and seen[-1] == (100, 100), "progress from the first to the last"
    assert [count for count, _ in seen] == sorted(count for count, _ in seen)
    assert len(talk.memories) == 100 and texts(talk)[99] == "The city of Keto is Dema49."
    check_trace(talk)
    assert say(talk, "What is the city of Keto?", "What is the pet of Babo?") == ["Dema49", "Zimo"]


def test_a_document_stops_where_the_user_stops_it():
    talk = scripted("memory-r1-tiny", "paradigm.store.capacity=200")
    text = read_document("facts.pdf", make_pdf(PAGES))
    entry = list(talk.read_document("a.pdf", text, lambda: len(talk.context.turns) == 30))[-1]
    assert (entry.read, entry.note, len(talk.memories)) == (30, "Stopped.", 30)
    check_trace(talk)


@BUILT
def test_memagent_reads_a_document_for_the_question_that_was_asked():
    talk = shipped("memagent")
    say(talk, "What is the pet of Fiko?")
    text = read_document("facts.pdf", make_pdf(PAGES[18:26]))
    entry = list(talk.read_document("facts.pdf", text))[-1]
    assert (entry.read, entry.sections, entry.note) == (6, 6, "")
    assert say(talk, "What is the pet of Fiko?") == ["The pet of Fiko is Zimo."]


def test_text_and_markdown():
    assert read_document("a.txt", "Ann has a cat.\r\n".encode("utf-8-sig")) == "Ann has a cat."
    assert read_document("A.MD", b"# Ann\n\nAnn has *one* cat.") == "# Ann\n\nAnn has *one* cat."
    assert list(read_pages("a.pdf", make_pdf(PAGES[:2]))) == [
        f"The pet of {name}o is Zimo. The city of {name}o is Dema{page}."
        for page, name in enumerate(NAMES[:2])
    ]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.docx", b"PK", "documents are .txt, .md, .pdf files"),
        ("noending", b"a", "documents are"),
        ("a.txt", b"\xff\xfe", "not UTF-8"),
        ("a.txt", b"  ", "no text in a.txt"),
        ("a.pdf", b"", "cannot be read as a PDF"),
        ("a.pdf", b"%PDF-1.4 nothing", "cannot be read as a PDF"),
        ("a.pdf", make_pdf(PAGES)[:2000], "cannot be read as a PDF"),
        ("a.pdf", make_pdf([[]]), "a scanned PDF holds pictures"),
        ("a.txt", b"a" * 10_000_001, "10,000,000 are read at most"),
    ],
)
def test_what_cannot_be_read_is_said(name, content, problem):
    with pytest.raises(ConfigError, match=problem):
        read_document(name, content)


def test_a_document_has_limits(monkeypatch):
    monkeypatch.setattr(document, "MOST_PAGES", 3)
    with pytest.raises(ConfigError, match="4 pages; 3 are read at most"):
        read_document("a.pdf", make_pdf(PAGES[:4]))
    monkeypatch.setattr(document, "MOST_CHARACTERS", 100)
    with pytest.raises(ConfigError, match="more than 100 characters"):
        read_document("a.pdf", make_pdf(PAGES[:3]))
    talk = scripted("memory-r1-tiny")
    with pytest.raises(ConfigError, match="2,001 sections; 2,000 are read at most"):
        list(talk.read_document("a.txt", "The pet of Bako is Zimo. " * 2001))


def test_a_locked_pdf_is_refused():
    import io

    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(make_pdf(PAGES[:1]))))
    writer.encrypt("secret", algorithm="RC4-128")
    locked = io.BytesIO()
    writer.write(locked)
    with pytest.raises(ConfigError, match="locked by a password"):
        read_document("a.pdf", locked.getvalue())
