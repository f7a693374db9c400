"""What a retriever finds in any memories, with every score."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import cast

import streamlit as st

from app.markup.hits import hits_table
from app.shell.address import bind_to_address
from memfactory_core.component import kinds
from memfactory_core.errors import ConfigError
from memfactory_core.retrievers import Retriever
from memfactory_core.scoring.retrieval import LARGE, fill, retrieve
from memfactory_core.types import Evidence, Example, Hit, Memory

MOST_LINES = 5000
"""Pasted lines that are taken."""


def memories_from_lines(text: str) -> list[Memory]:
    """One memory for each line that is not empty. ConfigError where there are too many."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if len(lines) > MOST_LINES:
        raise ConfigError(f"that makes {len(lines):,} memories; {MOST_LINES:,} are taken at most")
    return [Memory(id=str(i), text=line, created=i) for i, line in enumerate(lines, 1)]


def find_hits(retriever: Retriever, query: str, memories: Sequence[Memory]) -> list[Hit]:
    """What a retriever finds in these memories. ConfigError where it asks a policy."""
    example = Example(id="query", observations=(), question=query, answers=())
    bank = fill(LARGE, [memory.text for memory in memories])
    made = {entry.id: memory for entry, memory in zip(bank.all(), memories, strict=True)}
    return [
        hit.model_copy(update={"memory": made[hit.memory.id]})
        for hit in retrieve(retriever, example, bank)
    ]


@cache
def free_retrievers() -> list[str]:
    """The kinds of retrievers that need no policy."""
    memories, free = memories_from_lines("One thing.\nAnother thing."), []
    for name, kind in kinds("retrievers").items():
        try:
            find_hits(cast(Retriever, kind()), "thing", memories)
        except ConfigError:
            continue
        free.append(name)
    return free


def show_query(memories: Sequence[Memory], question: str, needed: Sequence[Evidence]) -> None:
    """A query, a retriever, and what it finds with every score."""
    known = free_retrievers()
    ask, how, many = st.columns([3, 1.4, 0.8])
    asked = ask.text_input("Query", question, key=f"query.{question}")
    start = "bm25" if "bm25" in known else known[0]
    name = how.selectbox(
        "Retriever", known, format_func=lambda n: n.replace("_", " "),
        **bind_to_address("retriever", known, start),
    )  # fmt: skip
    kind = kinds("retrievers")[name]
    limited = "top_k" in kind.model_fields
    top = many.number_input("At most", 1, 1000, 5, disabled=not limited, key="query.top")
    st.caption(kind.summary())
    if not asked.strip():
        st.info("Type a query to see what is found.")
        return
    chosen = cast(Retriever, kind(**({"top_k": int(top)} if limited else {})))
    found = find_hits(chosen, asked, memories)
    table = hits_table(found, needed)
    st.html(f'<div class="mf mf-wide" role="group" aria-label="What was found">{table}</div>')
    st.caption(f"Read: {len(found):,} of {len(memories):,} memories.")
