"""A file given in the browser is kept once, under its content's hash, inside the lab's folder."""

import os

import pytest

from memfactory_core.errors import ConfigError
from memfactory_core.runs import garbage, uploads
from memfactory_core.runs.uploads import keep_file, uploads_folder


def test_the_same_content_is_kept_once(lab):
    first = keep_file(b'{"a": 1}', "mine.jsonl")
    assert first.read_bytes() == b'{"a": 1}' and first.name == "mine.jsonl"
    assert keep_file(b'{"a": 1}', "other.jsonl") == first
    other = keep_file(b'{"a": 2}', "mine.jsonl")
    assert other != first and other.read_bytes() == b'{"a": 2}'
    assert keep_file(b'{"a": 1}', "mine.json").suffix == ".json"  # read in another way


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/evil.json",
        "/etc/passwd.json",
        ".json.json",
        "a\x00b.json",
        "x" * 300 + ".json",
        "a/../b.JSON",
    ],
)
def test_no_name_leads_out_of_the_folder(name, lab):
    path = keep_file(b"[]", name)
    assert path.resolve().parents[1] == uploads_folder().resolve()
    assert not path.name.startswith(".") and len(path.name) < 100


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"x", "a.exe", "ends in"),
        (b"", "a.json", "empty"),
        (b"x" * 11, "a.json", "at most"),
        (b"x", "", "ends in"),
    ],
)
def test_what_is_not_taken_leaves_nothing(content, name, said, lab, monkeypatch):
    monkeypatch.setattr(uploads, "LARGEST", 10)
    with pytest.raises(ConfigError, match=said):
        keep_file(content, name)
    assert not uploads_folder().exists()


def test_a_disk_that_refuses_is_said_and_nothing_half_written_stays(lab, monkeypatch):
    def refuse(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(ConfigError, match="No space left"):
        keep_file(b"[]", "a.json")
    assert [path for path in uploads_folder().rglob("*") if path.is_file()] == []


def test_tidying_up_leaves_the_files(lab):
    path = keep_file(b"[]", "a.json")
    garbage.collect(lab)
    assert path.is_file()
