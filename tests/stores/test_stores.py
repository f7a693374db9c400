"""One contract for every store; then what LanceDB adds: a table that is kept, and searches of its
own."""

from __future__ import annotations

import pytest

from memfactory_core.component import kinds
from memfactory_core.embedders.hashing import Hashing
from memfactory_core.errors import ConfigError
from memfactory_core.stores import Refused, Store
from memfactory_core.stores.lance import Lance
from memfactory_core.types import Op

STORES = sorted(kinds("stores"))
MANY = sorted(set(STORES) - {"buffer"})


def needed(kind: str) -> None:
    """Skips, with the reason, where a store's package is not installed."""
    if kind == "qdrant":
        pytest.importorskip("qdrant_client", reason="the extra `qdrant` is not installed")


def open_store(kind: str, **settings):
    needed(kind)
    return kinds("stores")[kind](**settings).open()


def add(bank, text: str, seq: int = 0, source: int | None = None) -> str:
    return bank.apply(Op(action="add", text=text), seq, source).memory_id


@pytest.mark.parametrize("kind", STORES)
def test_a_new_bank_is_empty_and_the_first_id_is_short(kind):
    bank = open_store(kind)
    assert bank.all() == [] and bank.get("1") is None
    event = bank.apply(Op(action="add", text=" The pet of Bako is Zimo. "), 4, 2)
    assert (event.seq, event.at, event.action, event.memory_id) == (4, 2, "add", "1")
    assert (event.before, event.after) == (None, "The pet of Bako is Zimo.")
    [memory] = bank.all()
    assert (memory.id, memory.created, memory.updated, memory.source) == ("1", 4, 4, 2)
    bank.close()


@pytest.mark.parametrize("kind", STORES)
def test_an_update_keeps_the_id_and_a_delete_removes(kind):
    bank = open_store(kind)
    add(bank, "adopted Buddy", 0, 0)
    event = bank.apply(Op(action="update", memory_id="1", text="adopted Buddy and Scout"), 5, 3)
    assert (event.before, event.after) == ("adopted Buddy", "adopted Buddy and Scout")
    memory = bank.get("1")
    assert (memory.created, memory.updated, memory.source) == (0, 5, 3)
    event = bank.apply(Op(action="delete", memory_id="1"), 6, 3)
    assert (event.before, event.after) == ("adopted Buddy and Scout", None)
    assert bank.all() == []
    assert add(bank, "again") == "2", "an id is never used twice"
    bank.close()


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize(
    ("op", "reason"),
    [
        (Op(action="update", memory_id="9", text="x"), "no memory '9' to update"),
        (Op(action="delete", memory_id="9"), "no memory '9' to delete"),
        (Op(action="delete"), "no memory None to delete"),
        (Op(action="add", text="  "), "empty"),
        (Op(action="update", memory_id="1", text=""), "empty"),
        (Op(action="add", text="x" * 40), "over budget|full"),
        (Op(action="update", memory_id="1", text="x" * 41), "over budget: 41 characters, 40"),
    ],
)
def test_refusals_change_nothing(kind, op, reason):
    bank = open_store(kind, budget=40)
    add(bank, "first")
    before = bank.all()
    with pytest.raises(Refused, match=reason):
        bank.apply(op, 7, 0)
    assert bank.all() == before
    bank.apply(Op(action="update", memory_id="1", text="x" * 40), 8, 0)
    bank.close()


@pytest.mark.parametrize("kind", MANY)
def test_a_full_bank_refuses_one_more_but_takes_an_update(kind):
    bank = open_store(kind, capacity=2)
    add(bank, "one"), add(bank, "two")
    with pytest.raises(Refused, match="holds 2"):
        add(bank, "three")
    bank.apply(Op(action="update", memory_id="2", text="zwei"), 3, None)
    assert [memory.text for memory in bank.all()] == ["one", "zwei"]
    bank.close()


@pytest.mark.parametrize("kind", MANY)
def test_memories_come_in_the_order_of_creation_and_noop_changes_nothing(kind):
    bank = open_store(kind)
    for number in range(12):
        add(bank, f"text {number}", number)
    bank.apply(Op(action="update", memory_id="3", text="changed"), 20, None)
    event = bank.apply(Op(action="noop", reason="known"), 21, None)
    assert (event.action, event.reason) == ("noop", "known")
    assert [memory.id for memory in bank.all()] == [str(n) for n in range(1, 13)]
    bank.close()


@pytest.mark.parametrize("kind", STORES)
def test_two_banks_share_nothing(kind):
    needed(kind)
    store: Store = kinds("stores")[kind]()
    first, second = store.open(), store.open()
    add(first, "only here")
    assert second.all() == [] and second.search("words", "only", 5) in (None, [])
    first.close(), second.close()


@pytest.fixture
def pets():
    bank = Lance().open()
    for text in ("Bako adopted a puppy.", "The river was cold.", "Rilo sold the boat."):
        add(bank, text)
    yield bank
    bank.close()


def test_lance_searches_by_words_vectors_and_both_with_the_scores_of_each(pets):
    words = pets.search("words", "who has adopted puppies?", 2)
    assert [hit.memory.id for hit in words] == ["1"] and words[0].scores["bm25"] > 0
    near = pets.search("vectors", ("the boats were sold", Hashing()), 3)
    assert near[0].memory.id == "3" and near[0].score > near[1].score
    assert near[0].score == pytest.approx(near[0].scores["dense"]) and near[0].score <= 1
    both = pets.search("both", ("puppy adoption", Hashing()), 3)
    assert both[0].memory.id == "1" and set(both[0].scores) == {"bm25", "dense", "rrf"}
    assert both[0].scores["rrf"] == pytest.approx(2 / 61)


def test_lance_finds_what_was_written_after_the_index_was_made(pets):
    assert pets.search("words", "zebra", 5) == []
    add(pets, "A zebra crossed the street.")
    pets.apply(Op(action="update", memory_id="2", text="The zebra was cold."), 9, None)
    pets.apply(Op(action="delete", memory_id="1"), 10, None)
    assert {hit.memory.id for hit in pets.search("words", "zebra", 5)} == {"2", "4"}
    assert pets.search("words", "puppy river", 5) == []
    near = pets.search("vectors", ("puppy", Hashing()), 9)
    assert {hit.memory.id for hit in near} == {"2", "3", "4"}


@pytest.mark.parametrize("text", ["", "?!", '"open', "a AND (", "it's 'x' OR 1=1", "the of"])
def test_lance_takes_any_text_as_a_query(pets, text):
    assert pets.search("words", text, 3) is not None
    assert pets.search("both", (text, Hashing()), 3) is not None


def test_lance_leaves_other_embedders_to_the_retriever(pets):
    assert pets.search("vectors", ("puppy", Hashing(dimensions=64)), 3) is None


def test_a_kept_table_is_opened_again_with_ids_that_go_on(tmp_path):
    store = Lance(uri=str(tmp_path / "bank"), table="chat")
    bank = store.open()
    add(bank, "it's 'quoted'", 0, 5), add(bank, "second"), add(bank, "third")
    bank.apply(Op(action="delete", memory_id="3"), 3, None)
    bank.apply(Op(action="update", memory_id="1", text='it\'s "new"'), 4, 6)
    bank.close()
    again = store.open()
    assert [(m.id, m.text, m.source) for m in again.all()] == [
        ("1", 'it\'s "new"', 6),
        ("2", "second", None),
    ]
    assert [hit.memory.id for hit in again.search("words", "second", 5)] == ["2"]
    assert add(again, "fourth") == "4", "the deleted 3 is not used again"
    again.close()


def test_a_kept_table_has_one_writer_and_one_embedder(tmp_path):
    store = Lance(uri=str(tmp_path), table="chat")
    bank = store.open()
    add(bank, "text")
    with pytest.raises(ConfigError, match="open already"):
        store.open()
    bank.close()
    with pytest.raises(ConfigError, match="another embedder"):
        Lance(uri=str(tmp_path), table="chat", embedder=Hashing(dimensions=64)).open()


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot open the LanceDB"):
        bank = Lance(uri=str(tmp_path / "file" / "bank"), table="x").open()
        add(bank, "text")
