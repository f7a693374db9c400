"""Recall and writes over the size of a bank: `python -m bench.scale [--sizes 100,10000] [--stores ram] [--json]`.

Made-up facts with many names, the hashing embedder, one thread. A first recall builds what the bank's index lacks (it
is timed by itself); then questions alternate with writes for `--seconds` a cell or `--most` questions. Stores beside
`ram` are left out above their `LARGEST`, where filling them alone takes minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import time
from importlib.util import find_spec
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from memfactory_core.component import kinds  # noqa: E402
from memfactory_core.episode import Context  # noqa: E402
from memfactory_core.types import Example, Op  # noqa: E402

SIZES = (100, 1_000, 10_000, 100_000)
RETRIEVERS = ("bm25", "dense", "hybrid", "recency")
LARGEST = {"ram": 1_000_000, "lance": 100_000, "qdrant": 10_000}
"""Memories up to which a store is measured."""
KINDS = ("pet", "doctor", "sport", "book", "food", "car", "city", "teacher")
SYLLABLES = [c + v for c in "bdfghjklmnprstvz" for v in "aeiou"]


def name_of(draw: random.Random) -> str:
    """A name of two or three syllables."""
    return "".join(draw.choices(SYLLABLES, k=draw.choice((2, 3)))).title()


def fact(draw: random.Random) -> str:
    """One made-up fact."""
    return f"The {draw.choice(KINDS)} of {name_of(draw)} is {name_of(draw)}."


def question(draw: random.Random) -> str:
    """A question about a fact that may be there."""
    return f"What is the {draw.choice(KINDS)} of {name_of(draw)}?"


def fill(kind: str, size: int, draw: random.Random) -> tuple[Context, float]:
    """A bank of that many memories, and the writes in a second."""
    settings = {"capacity": 2 * size + 1000, "budget": 100 * (2 * size + 1000)}
    store: Any = kinds("stores")[kind](**settings)
    bank = store.open()
    context = Context(Example(id="", observations=(), question="?", answers=()), bank)
    ops = [Op(action="add", text=fact(draw)) for _ in range(size)]
    began = time.perf_counter()
    context.apply(ops)
    if kind != "ram":
        bank.flush()
    return context, size / (time.perf_counter() - began)


def measure(
    kind: str, retriever: str, context: Context, draw: random.Random, seconds: float, most: int
) -> dict[str, object]:
    """Milliseconds of recalls, and of those that follow a write."""
    reads: Any = kinds("retrievers")[retriever]()
    began = time.perf_counter()
    reads.retrieve(question(draw), context)
    built = time.perf_counter() - began
    taken: dict[str, list[float]] = {"recall": [], "recall_after_write": []}
    until = time.perf_counter() + seconds
    while len(taken["recall"]) < most and (len(taken["recall"]) < 3 or time.perf_counter() < until):
        for name in taken:
            if name == "recall_after_write":
                context.apply([Op(action="add", text=fact(draw))])
            asked, began = question(draw), time.perf_counter()
            reads.retrieve(asked, context)
            taken[name].append((time.perf_counter() - began) * 1000)
    row: dict[str, object] = {"store": kind, "retriever": retriever, "built_s": round(built, 2)}
    for name, values in taken.items():
        values.sort()
        row[f"{name}_p50_ms"] = round(statistics.median(values), 3)
        row[f"{name}_p95_ms"] = round(values[int(0.95 * (len(values) - 1))], 3)
    return row | {"questions": len(taken["recall"])}


def measure_all(
    sizes: tuple[int, ...] = SIZES, seconds: float = 2.0, most: int = 200,
    stores: tuple[str, ...] = tuple(LARGEST),
) -> list[dict[str, object]]:  # fmt: skip
    """A row for each store, size and retriever."""
    rows = []
    for size in sizes:
        for kind in stores:
            if size > LARGEST[kind] or (kind == "qdrant" and find_spec("qdrant_client") is None):
                continue
            draw = random.Random(0)
            context, writes = fill(kind, size, draw)
            for retriever in RETRIEVERS:
                row = {"memories": size, "writes_per_s": round(writes)}
                rows.append(row | measure(kind, retriever, context, draw, seconds, most))
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
            context.close()
    return rows


def table(rows: list[dict[str, object]]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| memories | store | retriever | recall p50 / p95, ms | after a write, ms | index built, s | writes/s |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['memories']:,} | {row['store']} | {row['retriever']} "
        f"| {row['recall_p50_ms']} / {row['recall_p95_ms']} "
        f"| {row['recall_after_write_p50_ms']} / {row['recall_after_write_p95_ms']} "
        f"| {row['built_s']} | {row['writes_per_s']:,} |"
        for row in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--stores", default=",".join(LARGEST))
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--most", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sizes = tuple(int(size) for size in options.sizes.split(","))
    stores = tuple(options.stores.split(","))
    rows = measure_all(sizes, options.seconds, options.most, stores)
    print(json.dumps(rows) if options.json else table(rows))
