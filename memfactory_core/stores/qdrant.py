"""Qdrant: exact vector search inside the bank, in memory, in a folder or on a server; words are searched by the
retriever. Without a server the client compares in this process: beyond some 20,000 memories a bank belongs on one."""

from __future__ import annotations

import json
import uuid
import warnings
from importlib.util import find_spec
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from memfactory_core.component import Part
from memfactory_core.embedders import Embedder
from memfactory_core.embedders.hashing import Hashing
from memfactory_core.endpoint.address import check_address
from memfactory_core.endpoint.keys import read_key
from memfactory_core.errors import ConfigError
from memfactory_core.stores import Store
from memfactory_core.stores.mirrored import MirroredBank
from memfactory_core.types import Hit, Memory

MEMORY = ":memory:"
PORT = 6333
"""Where a server listens whose address names no port."""
BATCH = 256
"""Points in one request: 2 MB of vectors of 2,048 numbers."""
_OPEN: set[tuple[str, str]] = set()
"""Kept collections that are open, by place and name."""
_FOLDERS: dict[str, tuple[Any, int]] = {}
"""The client of each folder and how many banks use it; a folder takes one client at a time."""


class QdrantBank(MirroredBank):
    """A bank whose memories are also points of a collection of Qdrant."""

    def __init__(self, settings: Qdrant, client: Any) -> None:
        super().__init__(settings.capacity, settings.budget, is_kept=bool(settings.collection))
        self.settings = settings
        self.client = client
        self.name = settings.collection or f"bank_{uuid.uuid4().hex[:12]}"
        self.is_made = False
        if self.is_kept:
            self._load()

    def search(self, by: str, query: Any, top_k: int) -> list[Hit] | None:
        """Exact vector search by cosine ("vectors", a text and an embedder). None for anything else, and for an
        embedder that is not the bank's."""
        if by != "vectors" or query[1] != self.settings.embedder:
            return None
        self.flush()
        if not self.memories:
            return []
        from qdrant_client import models

        found = self.client.query_points(
            self.name,
            query=self.settings.embedder.embed([query[0]])[0].tolist(),
            # without a server every point is compared anyway
            search_params=models.SearchParams(exact=True) if self.settings.address else None,
            limit=top_k,
            with_payload=False,
        )
        return [
            Hit(
                memory=self.memories[str(point.id)],
                score=point.score,
                scores={"dense": point.score},
            )
            for point in found.points
        ]

    def flush(self) -> None:
        """Brings the collection up to date with the memories."""
        if not self.changed:
            return
        from qdrant_client import models

        # noted until they are written: a write that fails is made up for by the next
        there, gone = self.changes()
        if not self.is_made:
            self._make(self.name, self._size())
            self.is_made = True
        if gone:
            chosen = models.PointIdsList(points=[int(i) for i in gone])
            self.client.delete(self.name, points_selector=chosen)
            self._keep_next_id()
        for start in range(0, len(there), BATCH):
            some = there[start : start + BATCH]
            vectors = self.settings.embedder.embed([memory.searched_text for memory in some])
            points = models.Batch(
                ids=[int(memory.id) for memory in some],
                vectors=vectors.tolist(),
                payloads=[{"memory": memory.model_dump_json()} for memory in some],
            )
            self.client.upsert(self.name, points=points)
        self.changed.clear()

    def close(self) -> None:
        """Removes the collection of a single episode, and lets go of the place."""
        if self.client is None:
            return
        try:
            if self.is_made and not self.is_kept and self.settings.place != MEMORY:
                self.client.delete_collection(self.name)
        finally:
            _OPEN.discard((self.settings.place, self.settings.collection))
            self.settings.let_go(self.client)
            self.client = None

    def _size(self) -> int:
        return len(self.settings.embedder.embed(["size"])[0])

    def _make(self, name: str, size: int) -> None:
        from qdrant_client import models

        shape = models.VectorParams(size=size, distance=models.Distance.COSINE)
        self.client.create_collection(name, vectors_config=shape)

    def _load(self) -> None:
        if not self.client.collection_exists(self.name):
            return
        shape = self.client.get_collection(self.name).config.params.vectors
        if getattr(shape, "size", None) != self._size():
            raise ConfigError(
                f"the collection {self.name!r} in {self.settings.place} was made with another embedder or is no "
                "bank; choose its embedder or another collection"
            )
        self.is_made = True
        found: list[Memory] = []
        offset = None
        while True:
            points, offset = self.client.scroll(self.name, limit=BATCH, offset=offset)
            try:
                found += [Memory.model_validate_json(point.payload["memory"]) for point in points]
            except (KeyError, TypeError, ValueError) as error:
                raise ConfigError(
                    f"the collection {self.name!r} in {self.settings.place} is no bank; choose another collection"
                ) from error
            if offset is None:
                break
        self.memories = {memory.id: memory for memory in sorted(found, key=lambda m: int(m.id))}
        self.next_id = max((int(i) for i in self.memories), default=0) + 1
        if self.client.collection_exists(self._counter):
            (kept,) = self.client.retrieve(self._counter, [1])
            self.next_id = max(self.next_id, json.loads(kept.payload["next_id"]))

    def _keep_next_id(self) -> None:
        """Ids are never used twice, not even that of a deleted last memory by a later process."""
        if not self.is_kept:
            return
        from qdrant_client import models

        if not self.client.collection_exists(self._counter):
            self._make(self._counter, 1)
        point = models.PointStruct(id=1, vector=[1.0], payload={"next_id": str(self.next_id)})
        self.client.upsert(self._counter, points=[point])

    @property
    def _counter(self) -> str:
        return f"{self.name}_next_id"


class Qdrant(Store, kind="qdrant"):
    """A bank with vector search of its own, in memory, on disk or on a server (Qdrant)."""

    main: ClassVar[tuple[str, ...]] = ("capacity", "budget")
    place: str = MEMORY
    """Where collections live: `:memory:`, a folder, or the address of a server such as http://localhost:6333."""
    key_variable: str = ""
    """The environment variable that holds the server's key, which goes to declared hosts only; empty for none."""
    collection: str = Field("", pattern=r"^[A-Za-z0-9_]{0,200}$")
    """Name of a collection that is kept and opened again, for a chat; empty means a new one for each episode,
    which goes with it. It has one writer: it cannot be opened twice at a time, and not be trained on."""
    capacity: int = Field(100_000, ge=1, le=100_000_000)
    """How many memories it holds; adding one more is refused."""
    budget: int = Field(100_000_000, ge=1, le=10_000_000_000)
    """How many characters all memories may have together."""
    embedder: Part[Embedder] = Hashing()
    """How texts become vectors; a retriever with another embedder searches by itself."""

    @field_validator("place")
    @classmethod
    def _check_place(cls, place: str) -> str:
        return check_address(place) if "://" in place else place or MEMORY

    @model_validator(mode="after")
    def _check_package(self) -> Qdrant:
        # refused before a run is started, and grey in Compose
        if find_spec("qdrant_client") is None:
            raise ValueError(
                "the store qdrant needs the package qdrant-client: pip install 'memfactory-lab[qdrant]'"
            )
        return self

    @property
    def address(self) -> str:
        """The server's address with its port; "" where there is none."""
        if "://" not in self.place:
            return ""
        parts = urlsplit(self.place)
        return (
            self.place if parts.port else parts._replace(netloc=f"{parts.netloc}:{PORT}").geturl()
        )

    def open(self) -> QdrantBank:
        """A new, empty bank; or the kept one where `collection` is set. ConfigError where it cannot be opened,
        PolicyError where the key's variable is not declared."""
        held = (self.place, self.collection)
        if self.collection and held in _OPEN:
            raise ConfigError(
                f"the collection {self.collection!r} in {self.place} is open already, and a bank has one writer; "
                "leave `collection` empty for training and evaluation"
            )
        client = self._connect()
        try:
            bank = QdrantBank(self, client)
        except ConfigError:
            self.let_go(client)
            raise
        except Exception as error:  # the client's errors share no ancestor
            self.let_go(client)
            raise self._explain(error) from error
        if self.collection:
            _OPEN.add(held)
        return bank

    def _connect(self) -> Any:
        from qdrant_client import QdrantClient

        key = read_key(self.key_variable, self.address) if self.address else ""
        if self.place in _FOLDERS:
            client, users = _FOLDERS[self.place]
            _FOLDERS[self.place] = client, users + 1
            return client
        try:
            if self.place == MEMORY:
                return QdrantClient(MEMORY)
            if not self.address:
                # pages and chats go from thread to thread, one at a time
                client = QdrantClient(path=self.place, force_disable_check_same_thread=True)
                _FOLDERS[self.place] = client, 1
                return client
            with warnings.catch_warnings():
                # whether a key may go unencrypted is decided by where it is declared
                warnings.filterwarnings("ignore", message="Api key is used with an insecure")
                # a proxy of the environment would read the key of an unencrypted request
                direct = bool(key) and self.address.startswith("http://")
                return QdrantClient(
                    url=self.address,
                    api_key=key or None,
                    check_compatibility=False,
                    trust_env=not direct,
                )
        except (OSError, ValueError, RuntimeError) as error:
            raise self._explain(error) from error

    def let_go(self, client: Any) -> None:
        """Closes a client when the last bank that uses it is closed."""
        if self.place in _FOLDERS:
            _, users = _FOLDERS[self.place]
            if users > 1:
                _FOLDERS[self.place] = client, users - 1
                return
            del _FOLDERS[self.place]
        client.close()

    def _explain(self, error: Exception) -> ConfigError:
        why = " ".join(str(error).split())[:300] or repr(error)
        return ConfigError(f"cannot open the Qdrant at {self.place}: {why}")
