"""RMM's reranking in the variant of the reference framework (arXiv 2603.29493): the policy sees candidates with
their ids and writes which of them the answer shall be read from. Trained with GRPO like any turn.

Departures: 1. the tiny policy quotes a memory before its id, so that pointing is copying and a wrong quote is
seen; 2. what is chosen is all that the answer is read from."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from pydantic import Field

from memfactory_core.component import Part
from memfactory_core.dialects.quoted import list_memories
from memfactory_core.episode import Context
from memfactory_core.retrievers import Retriever
from memfactory_core.retrievers.bm25 import BM25
from memfactory_core.types import Hit, Message, Op

SYSTEM = (
    "You choose the memories that a question shall be answered from. You see the memories, each followed by "
    "its id, and the question. Copy each memory that is needed with its id, as few as possible; write "
    "nothing else."
)


def select_messages(candidates: Sequence[Hit], question: str) -> list[Message]:
    """The conversation of one choice."""
    memories = list_memories([hit.memory for hit in candidates])
    content = f"Memory: {memories}\nQuestion: {question}\nSelect:"
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}]


class RerankLLM(Retriever, kind="rerank_llm"):
    """The policy chooses among candidates which memories are read (RMM's reranking by a language model)."""

    candidates: Part[Retriever] = BM25(top_k=30)
    """Where the candidates come from; the reference takes 30."""
    most: int = Field(8, ge=1, le=100)
    """How many memories may be chosen; an output that chooses more is rejected whole and nothing is read."""
    max_tokens: int = Field(512, ge=4, le=32_000)
    """The longest choice, in tokens."""

    @property
    def asks(self) -> dict[str, str]:
        """The role in which it asks the policy, with its wording."""
        return {"rerank": "rerank"}

    def retrieve(self, query: str, context: Context) -> Generator[Any, Any, list[Hit]]:
        """The chosen candidates; an output that cannot be carried out is recorded as rejected."""
        candidates = yield from context.recall(self.candidates, query)
        if not candidates:
            return []
        text = yield from context.ask(
            "rerank",
            context.prompt(
                "rerank",
                select_messages(candidates, query),
                memories=[hit.memory for hit in candidates],
                question=query,
                most=self.most,
            ),
            self.max_tokens,
            question=query,
            candidates=[hit.memory for hit in candidates],
        )
        hits = {hit.memory.id: hit for hit in candidates}
        memories, wrong = context.dialect_of("rerank").read_choice(
            text, [hit.memory for hit in candidates]
        )
        chosen = [hits[memory.id] for memory in memories]
        if context.cut_off:
            wrong = wrong or "cut off at the length limit"
        if len(chosen) > self.most:
            chosen, wrong = [], f"{len(chosen)} memories were chosen, {self.most} are allowed"
        if wrong:
            context.apply([Op(action="reject", text=text, reason=wrong)])
        return [
            hit.model_copy(update={"scores": {**hit.scores, "chosen": float(place)}})
            for place, hit in enumerate(chosen, 1)
        ]
