"""Paradigms assemble parts into an agent. The loop is shared: read every observation, then recall and
answer. A paradigm's file is its defaults and prompts; it overrides the loop only where its loop differs."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Literal

from pydantic import Field

from memfactory_core.component import Component, Part
from memfactory_core.dialects.quoted import join_memory
from memfactory_core.episode import Context, steps
from memfactory_core.extractors import Extractor
from memfactory_core.retrievers import Retriever
from memfactory_core.stores import Store
from memfactory_core.types import Example, Hit, Message
from memfactory_core.updaters import Updater

SYSTEM = (
    "Answer the question from the memory alone. Give the answer as short as possible, in \\boxed{}. "
    "If the memory does not tell, write \\boxed{Unknown}."
)


def answer_messages(memories: Sequence[str], question: str) -> list[Message]:
    """The conversation in which the question is answered from memory alone."""
    content = f"Memory: {join_memory(memories)}\nQuestion: {question}\nAnswer:"
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}]


class Paradigm(Component, family="paradigms"):
    """How an agent reads, remembers and answers."""

    store: Part[Store]
    """Where memories live."""
    extractor: Part[Extractor]
    """What is taken from each observation."""
    updater: Part[Updater]
    """How facts become changes of the memory."""
    retriever: Part[Retriever]
    """Which memories the answer is read from."""
    answer_tokens: int = Field(1024, ge=1, le=32_000)
    """The longest answer, in tokens."""
    trains: Literal["both", "memory", "answer"] = "both"
    """Whose turns are trained: those that manage the memory, those that answer, or both."""

    def start(self, example: Example) -> Context:
        """A context with an empty bank for one episode or chat."""
        context = Context(example, self.store.open())
        context.is_trained = lambda role: self.trains in (
            "both", "answer" if role == "answer" else "memory",
        )  # fmt: skip
        return context

    def read(self, index: int, context: Context) -> Generator[Any, Any, None]:
        """Reads one observation of the example into the memory."""
        context.at = index
        observation = context.example.observations[index]
        facts = yield from steps(self.extractor.extract(observation, context))
        context.apply((yield from steps(self.updater.update(facts, context))))

    def answer(self, questions: Sequence[str], context: Context) -> Generator[Any, Any, list[str]]:
        """Answers questions from the memory: recalls for each, then asks all at once."""
        context.at = None
        asks = []
        for question in questions:
            hits: list[Hit] = yield from context.recall(self.retriever, question)
            texts = [hit.memory.text for hit in hits]
            facts = {
                "memory": " ".join(texts),
                "question": question,
                "memories": [h.memory for h in hits],
            }
            asks.append((answer_messages(texts, question), facts))
        return (yield from context.ask_all("answer", asks, self.answer_tokens))

    def play(self, context: Context) -> Generator[Any, Any, list[str]]:
        """The whole episode; returns an answer to each question of the example."""
        for index in range(len(context.example.observations)):
            yield from self.read(index, context)
        return (yield from self.answer([q.question for q in context.example.questions], context))
