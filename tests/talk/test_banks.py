"""Named banks last over talks, processes and restarts, and have one writer."""

import subprocess
import sys

import pytest

from memfactory_core.errors import ConfigError
from memfactory_core.runs.garbage import collect
from memfactory_core.runs.place import root
from memfactory_core.talk import hand
from memfactory_core.talk.banks import list_banks, open_bank
from tests.talk.talks import ASKED, CHANGE, FACT, check_trace, say, scripted, texts, writes


def hold(folder, name="notes"):
    """A talk over a named bank, and the bank."""
    talk, kept = scripted("memory-r1-tiny"), open_bank(folder, name)
    talk.open_bank(kept.memories, kept.next_id, name)
    talk.on_change = lambda talk: kept.write(talk.memories)
    return talk, kept


def test_a_named_bank_is_there_in_the_next_talk(tmp_path):
    talk, kept = hold(tmp_path)
    say(
        talk,
        FACT,
        "The city of Rilo is Dema.",
        "The boat of Tavi is Tuve.",
        "The boat of Tavi is gone.",
    )
    hand.pin(talk, "2")
    kept.close()
    assert list_banks(tmp_path) == ["notes"]

    talk, kept = hold(tmp_path)
    assert texts(talk) == [FACT, "The city of Rilo is Dema."]
    assert [m.pinned for m in talk.memories] == [False, True]
    assert writes(talk) == [("user", "add")] * 2, "what was there before stands in the trace"
    check_trace(talk)
    assert say(talk, ASKED, CHANGE, ASKED) == ["Zimo", None, "Rilo"]
    say(talk, "The boat of Tavi is Tuve.")
    assert [m.id for m in talk.memories] == ["1", "2", "4"], (
        "the id of what was deleted is not used again"
    )
    hand.undo(talk)
    hand.undo(talk)
    with pytest.raises(ConfigError, match="no write to take back"):
        hand.undo(talk)  # what was there before this talk is not undone
    kept.close()
    again = open_bank(tmp_path, "notes")
    assert [m.text for m in again.memories] == [FACT, "The city of Rilo is Dema."]
    again.close()


def test_another_process_finds_the_bank(tmp_path):
    talk, kept = hold(tmp_path)
    say(talk, FACT)
    code = (
        "from pathlib import Path\nfrom memfactory_core.errors import ConfigError\n"
        "from memfactory_core.talk.banks import open_bank\n"
        f"try:\n    print([m.text for m in open_bank(Path({str(tmp_path)!r}), 'notes').memories])\n"
        "except ConfigError as error:\n    print(error)"
    )
    asked = [sys.executable, "-c", code]
    busy = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert "open in another talk or process" in busy.stdout
    kept.close()
    found = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str([FACT])


def test_one_writer_at_a_time(tmp_path):
    _, kept = hold(tmp_path)
    with pytest.raises(ConfigError, match="open in another talk"):
        open_bank(tmp_path, "notes")
    kept.close()
    open_bank(tmp_path, "notes").close()


def test_words_of_a_name_are_joined(tmp_path):
    kept = open_bank(tmp_path, "biology class-2 ")
    assert kept.name == "biology_class_2"
    with pytest.raises(ConfigError, match="open in another talk"):
        open_bank(tmp_path, "biology_class_2")
    kept.close()


def test_collecting_garbage_leaves_the_banks(lab):
    talk, kept = hold(root())
    say(talk, FACT)
    kept.close()
    assert not [r for r in collect(lab) if "banks" in r.place]
    again = open_bank(root(), "notes")
    assert [m.text for m in again.memories] == [FACT]
    again.close()


@pytest.mark.parametrize("name", ["", " ", "../x", "x" * 61, "notes_next_id", "a/b", "a.b"])
def test_a_name_that_can_be_no_table_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="cannot be the name of a bank"):
        open_bank(tmp_path, name)
    assert list_banks(tmp_path) == []
