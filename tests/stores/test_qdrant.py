"""What Qdrant adds to the contract of every store: exact vectors, a collection that is kept, a server with a key."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from memfactory_core.config import load
from memfactory_core.embedders.hashing import Hashing
from memfactory_core.endpoint.keys import DECLARED
from memfactory_core.errors import ConfigError, PolicyError
from memfactory_core.stores.qdrant import _FOLDERS, Qdrant
from memfactory_core.types import Op
from tests.stores.test_stores import add, needed

TEXTS = ("Bako adopted a puppy.", "The river was cold.", "Rilo sold the boat.")


@pytest.fixture(autouse=True)
def installed(request):
    if "without" not in request.node.name:
        needed("qdrant")


def test_without_its_package_it_is_refused_before_a_run_is_started(monkeypatch):
    monkeypatch.setattr("memfactory_core.stores.qdrant.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'memfactory-lab\[qdrant\]'") as refused:
        load("memory-r1-tiny", ["paradigm.store=qdrant"])
    assert "\n" not in str(refused.value)


def test_vectors_are_compared_exactly_and_words_are_left_to_the_retriever():
    bank = Qdrant().open()
    for text in TEXTS:
        add(bank, text)
    assert bank.search("words", "puppy", 3) is None
    assert bank.search("both", ("puppy", Hashing()), 3) is None
    assert bank.search("vectors", ("puppy", Hashing(dimensions=64)), 3) is None
    hits = bank.search("vectors", ("the boats were sold", Hashing()), 3)
    cosines = Hashing().embed(TEXTS) @ Hashing().embed(["the boats were sold"])[0]
    assert [hit.memory.id for hit in hits] == [str(i + 1) for i in np.argsort(-cosines)]
    assert [hit.score for hit in hits] == pytest.approx(sorted(cosines, reverse=True), abs=1e-6)
    bank.apply(Op(action="update", memory_id="2", text="The boat was cold."), 9, None)
    bank.apply(Op(action="delete", memory_id="3"), 10, None)
    near = bank.search("vectors", ("the boats were sold", Hashing()), 3)
    assert [hit.memory.id for hit in near] == ["2", "1"]
    bank.close()


def test_a_kept_collection_is_opened_again_with_ids_that_go_on(tmp_path):
    store = Qdrant(place=str(tmp_path / "bank"), collection="chat")
    bank = store.open()
    for text in TEXTS:
        add(bank, text, 0, 5)
    bank.pin("1", True)
    bank.apply(Op(action="delete", memory_id="3"), 3, None)
    with pytest.raises(ConfigError, match="open already"):
        store.open()
    held = bank.all()
    bank.close()
    again = store.open()
    assert again.all() == held and again.get("1").pinned
    assert add(again, "fourth") == "4", "the deleted 3 is not used again"
    again.close()
    with pytest.raises(ConfigError, match="another embedder"):
        store.model_copy(update={"embedder": Hashing(dimensions=64)}).open()
    assert _FOLDERS == {}


def test_a_folder_is_shared_by_banks_and_an_episodes_collection_goes_with_it(tmp_path):
    store = Qdrant(place=str(tmp_path))
    first, second = store.open(), store.open()
    add(first, "only here")
    assert [h.memory.text for h in first.search("vectors", ("here", Hashing()), 3)] == ["only here"]
    first.close()
    add(second, "there")
    assert second.search("vectors", ("there", Hashing()), 3)
    client = second.client
    assert len(client.get_collections().collections) == 1
    second.close(), second.close()
    assert _FOLDERS == {} and not any((tmp_path / "collection").iterdir())


@pytest.mark.parametrize(
    "place", ["http://user:key@host:6333", "ftp://host", "http://host/?a=b", "http://"]
)
def test_an_address_that_is_none_is_refused(place):
    with pytest.raises(ValueError):
        Qdrant(place=place)


def test_a_server_that_is_away_is_one_line():
    with pytest.raises(
        ConfigError, match="cannot open the Qdrant at http://127.0.0.1:9"
    ) as refused:
        Qdrant(place="http://127.0.0.1:9", collection="x").open()
    assert "\n" not in str(refused.value)


@pytest.fixture
def server():
    """One that refuses everything and notes which key came."""
    keys = []

    class Refuses(BaseHTTPRequestHandler):
        def do_GET(self):
            keys.append(self.headers.get("api-key"))
            self.send_error(403)

        def log_message(self, *_):
            pass

    serving = ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{serving.server_address[1]}", keys
    serving.shutdown()
    serving.server_close()


def test_a_key_goes_to_declared_hosts_only(server, monkeypatch):
    address, keys = server
    monkeypatch.setenv("QDRANT_KEY", "secret-secret")
    store = Qdrant(place=address, key_variable="QDRANT_KEY", collection="x")
    with pytest.raises(PolicyError, match="not declared as a key"):
        store.open()
    assert keys == []
    for declared, sent in (("other.example", None), ("localhost", "secret-secret")):
        monkeypatch.setenv(DECLARED, f"QDRANT_KEY={declared}")
        with pytest.raises(ConfigError, match="cannot open the Qdrant") as refused:
            store.open()
        assert keys.pop() == sent and "secret" not in str(refused.value)
