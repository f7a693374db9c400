"""Pasted lines are searched by any retriever that needs no policy."""

from __future__ import annotations

import pytest

from app.memory.search import find_hits, free_retrievers, memories_from_lines
from memfactory_core.component import kinds
from memfactory_core.errors import ConfigError
from tests.app.test_pages import HOSTILE, NEEDED


def test_any_free_retriever_searches_pasted_lines() -> None:
    memories = memories_from_lines(f"{NEEDED.sentence}\n\nThe city of Rilo is Dema.\n{HOSTILE}")
    assert [memory.id for memory in memories] == ["1", "2", "3"]
    known = free_retrievers()
    assert {"bm25", "dense", "hybrid"} <= set(known) and "rerank_llm" not in known
    for name in known:
        found = find_hits(kinds("retrievers")[name](), NEEDED.question, memories)
        if name in ("bm25", "dense", "hybrid"):
            assert found[0].memory == memories[0]
    with pytest.raises(ConfigError, match="5,000"):
        memories_from_lines("x\n" * 6000)
