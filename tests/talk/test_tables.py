"""Talks over a store that keeps a table of its own: nothing that another talk wrote is lost, no id is used twice, and
nothing is embedded anew that was there before."""

import pytest

from memfactory_core.embedders.hashing import Hashing
from memfactory_core.errors import ConfigError
from memfactory_core.stores.lance import Lance
from memfactory_core.talk import hand
from memfactory_core.talk.banks import open_bank
from tests.talk.talks import ASKED, CHANGE, FACT, say, scripted, texts
from tests.talk.test_banks import hold

CITY = "The city of Rilo is Dema."
BOAT = "The boat of Tavi is Tuve."
PLANT = "The plant of Nemo is Sola."


@pytest.fixture
def tabled(tmp_path):
    """Begins a talk with an agent whose store keeps the table `t`."""
    store = (
        "paradigm.store=lance",
        f"paradigm.store.uri={tmp_path / 'own'}",
        "paradigm.store.table=t",
    )
    return lambda: scripted("memory-r1-tiny", *store)  # fmt: skip


@pytest.fixture
def embedded(monkeypatch):
    """Every text that is embedded."""
    found, embed = [], Hashing.embed
    monkeypatch.setattr(
        Hashing, "embed", lambda self, some: found.extend(some) or embed(self, some)
    )
    return found  # fmt: skip


def spoken(talk, *messages):
    """The trace of a talk that is over."""
    say(talk, *messages)
    talk.close()
    return talk.episode()


def held(tabled):
    """What the table holds."""
    talk = tabled()
    found = texts(talk)
    talk.close()
    return found


def test_an_old_talk_is_not_taken_up_over_what_another_wrote_to_its_table(tabled):
    old = spoken(tabled(), FACT)
    spoken(tabled(), CITY)
    again = tabled()
    with pytest.raises(ConfigError, match="another talk has gone on with this agent's table"):
        again.take_up(old)
    assert held(tabled) == [FACT, CITY], "and the table is closed, so that others can open it"


@pytest.mark.parametrize("change", ["edit", "pin", "delete"])
def test_nor_over_what_another_changed_by_hand(tabled, change):
    old = spoken(tabled(), FACT)
    other = tabled()
    act = {"edit": lambda: hand.edit(other, "1", CHANGE), "pin": lambda: hand.pin(other, "1")}
    act.get(change, lambda: hand.delete(other, "1"))()
    other.close()
    again = tabled()
    with pytest.raises(ConfigError, match="another talk has gone on"):
        again.take_up(old)
    assert held(tabled) == {"edit": [CHANGE], "pin": [FACT], "delete": []}[change]


def test_a_talk_is_taken_up_whose_table_is_as_it_left_it(tabled, tmp_path):
    talk = tabled()
    say(talk, FACT, CITY)
    hand.delete(talk, "1")
    hand.undo(talk)  # memory 1 now stands behind memory 2, and in the table before it
    old = spoken(talk, BOAT)
    again = tabled()
    again.take_up(old)
    assert say(again, ASKED) == ["Zimo"]
    again.close()
    elsewhere = scripted(
        "memory-r1-tiny", "paradigm.store=lance", f"paradigm.store.uri={tmp_path / 'other'}",
        "paradigm.store.table=t",
    )  # fmt: skip
    elsewhere.take_up(old)
    assert texts(elsewhere) == texts(again), "a table that is new takes the talk's bank"
    elsewhere.close()


def test_a_named_bank_does_not_replace_an_agents_own_table(tabled, tmp_path):
    _, kept = hold(tmp_path)
    spoken(tabled(), FACT)
    talk = tabled()
    with pytest.raises(ConfigError, match="a table of its own, which the bank 'notes' would"):
        talk.open_bank(kept.memories, kept.next_id, "notes")
    talk.close()
    kept.close()
    assert held(tabled) == [FACT]


def test_a_table_that_does_not_fit_is_let_go_of(tabled):
    talk = tabled()
    spoken(talk, FACT, CITY)
    small = [
        f"paradigm.store.{name}"
        for name in ("capacity=1", "table=t", f"uri={talk.config.paradigm.store.uri}")
    ]
    with pytest.raises(ConfigError, match="2 memories do not fit"):
        scripted("memory-r1-tiny", "paradigm.store=lance", *small)
    assert held(tabled) == [FACT, CITY]  # fmt: skip


def test_the_id_of_a_deleted_last_memory_is_not_used_by_the_next_talk(tabled):
    talk = tabled()
    say(talk, FACT, CITY, BOAT)
    hand.delete(talk, "3")
    old = spoken(talk)
    again = tabled()
    say(again, PLANT)
    assert [memory.id for memory in again.memories] == ["1", "2", "4"]
    hand.delete(again, "4")
    again.close()
    again = tabled()
    again.take_up(old)
    say(again, PLANT)
    assert [memory.id for memory in again.memories] == ["1", "2", "5"]
    again.close()


def test_what_was_refused_uses_no_id_up():
    talk = scripted("memory-r1-tiny")
    say(talk, FACT)
    hand.edit(talk, "999", CHANGE)
    again = scripted("memory-r1-tiny")
    again.take_up(talk.episode())
    say(again, CITY)
    assert [memory.id for memory in again.memories] == ["1", "2"]


def test_a_named_bank_counts_its_ids_by_itself(tmp_path):
    kept = open_bank(tmp_path, "notes")
    talk = scripted("memory-r1-tiny")
    say(talk, FACT, CITY)
    kept.write(talk.memories)
    kept.write(talk.memories[:1])
    assert kept.next_id == 3
    kept.close()


def test_only_what_changed_in_a_named_bank_is_embedded(tmp_path, embedded):
    talk, kept = hold(tmp_path)
    say(talk, FACT, CITY, BOAT)
    kept.close()
    talk, kept = hold(tmp_path)
    embedded.clear()
    say(talk, CHANGE)
    hand.pin(talk, "2")
    kept.close()
    assert [text for text in embedded if text != "size"] == [CHANGE, CITY]
    again = open_bank(tmp_path, "notes")
    assert [(m.text, m.pinned) for m in again.memories] == [
        (CHANGE, False),
        (CITY, True),
        (BOAT, False),
    ]
    again.close()  # fmt: skip


def test_only_what_changed_in_an_agents_own_table_is_embedded(tabled, embedded):
    spoken(tabled(), FACT, CITY)
    embedded.clear()
    spoken(tabled(), BOAT)
    assert FACT not in embedded and CITY not in embedded and BOAT in embedded


@pytest.mark.parametrize("name", ["übung", "メモ", "\u0661"])
def test_a_name_that_lance_refuses_is_refused_before_it(tmp_path, name):
    with pytest.raises(ConfigError, match="cannot be the name of a bank"):
        open_bank(tmp_path, name)
    with pytest.raises(ValueError, match="table"):
        Lance(uri=str(tmp_path), table=name)
