"""The policy says whether it looks into memory before it answers, and for what: nothing, or a query of its own. When
to retrieve is then a decision that is trained like the others; a needless look and a missed one are measured in
rewards/. No paper's method: the third of the framework's promises (what to store, how to index it, when to look)."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from pydantic import Field

from memfactory_core.component import Part
from memfactory_core.episode import Context
from memfactory_core.retrievers import Retriever
from memfactory_core.retrievers.bm25 import BM25
from memfactory_core.types import Hit, Message, Op

SYSTEM = (
    "Before you answer you can look into your memory. Write SEARCH and what to search for, on one line; write NONE "
    "if the question can be answered without it."
)


def search_messages(question: str) -> list[Message]:
    """The conversation of one decision to look."""
    content = f"Question: {question}\nSearch:"
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}]


class Search(Retriever, kind="search"):
    """The policy says whether memory is searched, and for what."""

    inner: Part[Retriever] = BM25()
    """How the bank is searched once the policy looks; a reranker may stand here too."""
    max_tokens: int = Field(64, ge=4, le=1000)
    """The longest query, in tokens; one that is cut off there is rejected and nothing is read."""

    @property
    def asks(self) -> dict[str, str]:
        """The role in which it asks the policy, with its wording."""
        return {"search": "search"}

    def retrieve(self, query: str, context: Context) -> Generator[Any, Any, list[Hit]]:
        """What the policy's own query brings, nothing where it does not look. An output that is neither is recorded
        as rejected and nothing is read."""
        asked = context.prompt(
            "search", search_messages(query), question=query, count=len(context.bank.all())
        )
        text = yield from context.ask("search", asked, self.max_tokens, question=query)
        own, wrong = context.dialect_of("search").read_query(text, query)
        wrong = "cut off at the length limit" if context.cut_off else wrong
        hits: list[Hit] = []
        if wrong:
            context.apply([Op(action="reject", text=text, reason=f"no query: {wrong}")])
        elif own:
            hits = yield from context.recall(self.inner, own)
        # behind the inner recall, which sets it back
        context.searched = None if wrong else own
        return hits
