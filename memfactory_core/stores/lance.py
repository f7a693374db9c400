"""LanceDB, embedded: full-text, vector and hybrid search inside the bank, in memory or in a folder. Every single write
leaves three files."""

from __future__ import annotations

import json
import uuid
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from memfactory_core.component import Part
from memfactory_core.embedders import Embedder
from memfactory_core.embedders.hashing import Hashing
from memfactory_core.errors import ConfigError
from memfactory_core.stores import Store
from memfactory_core.stores.mirrored import MirroredBank
from memfactory_core.types import Hit, Memory

MEMORY = "memory://"
KEPT = "memfactory_text"
"""Under this name in a row's meta stands the text of a memory that is found by a key: the table's column `text` is
what is searched, and tables that were made before there were keys stay readable."""
PINNED = "memfactory_pinned"
"""Under this name in a row's meta stands that a memory is pinned."""
OPTIONS = frozenset(
    {
        "region", "endpoint", "allow_http", "virtual_hosted_style_request", "skip_signature",
        "s3_express", "account_name", "container_name", "timeout", "connect_timeout",
        "client_max_retries", "client_retry_timeout",
    }
)  # fmt: skip
"""Options of an object store that hold no secret; settings are written into records, so the others
(keys, tokens) are read from the environment alone."""
OPTIMIZE_EVERY = 100
"""Batches after which a table that is kept merges its small files."""
_OPEN: set[tuple[str, str]] = set()


def _check_option(text: str) -> str:
    name, equals, value = text.partition("=")
    if name not in OPTIONS or not (equals and value):
        # the value is not repeated: it may be the key itself
        raise ValueError(
            f"{repr(name[:40]) if equals else 'it'} is not NAME=VALUE with a NAME among "
            f"{', '.join(sorted(OPTIONS))}; keys are set in the environment, as AWS_ACCESS_KEY_ID "
            "and AWS_SECRET_ACCESS_KEY"
        )
    return text


StorageOption = Annotated[str, AfterValidator(_check_option)]


class LanceBank(MirroredBank):
    """A bank whose memories are also rows of a LanceDB table."""

    def __init__(self, settings: Lance, connection: Any) -> None:
        super().__init__(settings.capacity, settings.budget, is_kept=bool(settings.table))
        self.settings = settings
        self.connection = connection
        self.name = settings.table or f"bank_{uuid.uuid4().hex[:12]}"
        self.table: Any = None
        self.is_indexed = False
        self.batches = 0
        if settings.table:
            self._load()

    def search(self, by: str, query: Any, top_k: int) -> list[Hit] | None:
        """Full-text search by BM25 ("words", a text), exact vector search by cosine ("vectors", a
        text and an embedder) or both fused by reciprocal rank ("both", likewise). None for an
        embedder that is not the bank's."""
        if by not in ("words", "vectors", "both"):
            return None
        text, embedder = (query, None) if by == "words" else query
        if by != "words" and embedder != self.settings.embedder:
            return None
        self.flush()
        if not self.memories:
            return []
        if by != "vectors" and not self.is_indexed:
            from lancedb.index import FTS

            self.table.create_index("text", config=FTS())
            self.is_indexed = True
        if by == "words":
            found = self.table.search(text, query_type="fts").select(["id", "_score"])
        elif by == "vectors":
            found = self.table.search(self._vector(text)).distance_type("cosine")
            found = found.select(["id", "_distance"])
        else:
            from lancedb.rerankers import RRFReranker

            found = (
                self.table.search(query_type="hybrid").vector(self._vector(text)).text(text or " ")
            )
            found = found.distance_type("cosine").rerank(RRFReranker(return_score="all"))
        rows = found.limit(top_k).to_list()
        return [self._hit(row) for row in rows[:top_k]]

    def flush(self) -> None:
        """Brings the table up to date with the memories."""
        if not self.changed:
            return
        # noted until they are written: a write that fails is made up for by the next
        there, gone = self.changes()
        rows = self._rows(there)
        if self.table is None:
            self.table = self.connection.create_table(self.name, schema=self._schema())
        if gone:
            self.table.delete(f"id IN ({', '.join(repr(i) for i in gone)})")
            self._keep_next_id()
        if rows:
            merge = self.table.merge_insert("id").when_matched_update_all()
            merge.when_not_matched_insert_all().execute(rows)
        self.changed.clear()
        self.batches += 1
        if self.batches % OPTIMIZE_EVERY == 0:
            self.table.optimize()

    def close(self) -> None:
        """Writes what is not written yet to a table that is kept, and lets go of it."""
        if self.settings.uri != MEMORY:
            self.flush()
        _OPEN.discard((self.settings.uri, self.settings.table))
        self.table = self.connection = None

    def _hit(self, row: dict[str, Any]) -> Hit:
        scores = {}
        if row.get("_score") is not None:
            scores["bm25"] = row["_score"]
        if row.get("_distance") is not None:
            scores["dense"] = 1 - row["_distance"]
        score = scores.get("bm25", scores.get("dense", 0.0))
        if row.get("_relevance_score") is not None:
            score = scores["rrf"] = row["_relevance_score"]
        return Hit(memory=self.memories[row["id"]], score=score, scores=scores)

    def _vector(self, text: str) -> Any:
        return self.settings.embedder.embed([text])[0]

    def _rows(self, memories: list[Memory]) -> list[dict[str, Any]]:
        vectors = self.settings.embedder.embed([memory.searched_text for memory in memories])
        return [
            {
                **memory.model_dump(exclude={"meta", "key", "text", "pinned"}),
                "text": memory.searched_text,
                "meta": json.dumps(
                    memory.meta
                    | ({KEPT: memory.text} if memory.key else {})
                    | ({PINNED: True} if memory.pinned else {})
                ),
                "vector": vector,
            }
            for memory, vector in zip(memories, vectors, strict=True)
        ]

    def _schema(self) -> Any:
        import pyarrow as pa

        size = len(self._vector("size"))
        return pa.schema(
            [
                ("id", pa.string()), ("text", pa.string()), ("created", pa.int64()),
                ("updated", pa.int64()), ("source", pa.int64()), ("meta", pa.string()),
                ("vector", pa.list_(pa.float32(), size)),
            ]
        )  # fmt: skip

    def _load(self) -> None:
        names = self.connection.list_tables().tables
        if self.name not in names:
            return
        self.table = self.connection.open_table(self.name)
        if self.table.schema != self._schema():
            raise ConfigError(
                f"the table {self.name!r} in {self.settings.uri} was made with another embedder "
                "or is no bank; choose its embedder or another table"
            )
        columns = ["id", "text", "created", "updated", "source", "meta"]
        rows = self.table.search().select(columns).limit(self.table.count_rows()).to_list()
        found = {}
        for row in sorted(rows, key=lambda row: int(row["id"])):
            meta = json.loads(row["meta"])
            key = row["text"] if KEPT in meta else ""
            text, pinned = meta.pop(KEPT, row["text"]), meta.pop(PINNED, False)
            told = {"text": text, "key": key, "meta": meta, "pinned": pinned}
            found[row["id"]] = Memory(**{**row, **told})
        self.memories = found
        self.is_indexed = bool(self.table.list_indices())
        self.next_id = max((int(i) for i in self.memories), default=0) + 1
        if self._counter in names:
            kept = self.connection.open_table(self._counter).to_arrow()["next_id"][0].as_py()
            self.next_id = max(self.next_id, kept)

    def _keep_next_id(self) -> None:
        """Ids are never used twice, not even that of a deleted last memory by a later process."""
        if self.settings.table:
            row = [{"next_id": self.next_id}]
            self.connection.create_table(self._counter, row, mode="overwrite")

    @property
    def _counter(self) -> str:
        return f"{self.name}_next_id"


class Lance(Store, kind="lance"):
    """A bank with full-text, vector and hybrid search of its own, in memory or on disk
    (LanceDB)."""

    main: ClassVar[tuple[str, ...]] = ("capacity", "budget")
    uri: str = MEMORY
    """Where tables live: `memory://`, a folder, or an object store such as s3://bucket/folder, whose
    keys come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the like)."""
    storage: tuple[StorageOption, ...] = ()
    """Of an object store: NAME=VALUE each, such as region=eu-central-1, endpoint=http://host:9000
    or allow_http=true."""
    table: str = Field("", pattern=r"^[A-Za-z0-9_]*$")
    """Name of a table that is kept and opened again, for a chat; empty means a new one for each
    episode. It has one writer: it cannot be opened twice at a time, and not be trained on."""
    capacity: int = Field(100_000, ge=1, le=100_000_000)
    """How many memories it holds; adding one more is refused."""
    budget: int = Field(100_000_000, ge=1, le=10_000_000_000)
    """How many characters all memories may have together."""
    embedder: Part[Embedder] = Hashing()
    """How texts become vectors; a retriever with another embedder searches by itself."""

    def open(self) -> LanceBank:
        """A new, empty bank; or the kept one where `table` is set. ConfigError where it cannot be
        opened."""
        import lancedb

        place = (self.uri, self.table)
        if self.table and place in _OPEN:
            raise ConfigError(
                f"the table {self.table!r} in {self.uri} is open already, and a bank has one "
                "writer; leave `table` empty for training and evaluation"
            )
        try:
            options = dict(option.split("=", 1) for option in self.storage)
            connection = lancedb.connect(self.uri, storage_options=options or None)
            bank = LanceBank(self, connection)
        except (OSError, ValueError, RuntimeError) as error:
            why = str(error).partition("\n")[0][:300]
            raise ConfigError(f"cannot open the LanceDB at {self.uri}: {why}") from error
        if self.table:
            _OPEN.add(place)
        return bank
