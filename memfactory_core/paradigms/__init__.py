"""Paradigms assemble parts into an agent. The loop is shared: read every observation, then recall and
answer. A paradigm's file is its defaults and prompts; it overrides the loop only where its loop differs."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from memfactory_core.component import Component, Part
from memfactory_core.dialects import ANSWER, CITED, NONE
from memfactory_core.dialects.prompts import check_prompt
from memfactory_core.dialects.quoted import join_memory, list_memories
from memfactory_core.episode import Context, steps
from memfactory_core.extractors import Extractor
from memfactory_core.retrievers import Retriever
from memfactory_core.stores import Store
from memfactory_core.types import Example, Hit, Memory, Message, Op
from memfactory_core.updaters import Updater

SYSTEM = (
    "Answer the question from the memory alone. Give the answer as short as possible, in \\boxed{}. "
    "If the memory does not tell, write \\boxed{Unknown}."
)


CITE = (
    f"Answer the question from the memories alone. Write {CITED} and the ids of the memories that the answer rests on "
    f"({NONE} where none helps), on the next line {ANSWER} and the answer, as short as possible, in \\boxed{{}}."
)
PACKAGE = __name__.partition(".")[0]


def answer_messages(memories: Sequence[str], question: str) -> list[Message]:
    """The conversation in which the question is answered from memory alone."""
    content = f"Memory: {join_memory(memories)}\nQuestion: {question}\nAnswer:"
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}]


def cite_messages(memories: Sequence[Memory], question: str) -> list[Message]:
    """The conversation in which an answer names the memories that it rests on."""
    content = f"Memory: {list_memories(memories)}\nQuestion: {question}"
    return [{"role": "system", "content": CITE}, {"role": "user", "content": content}]


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
    answer_stop: str = Field("", max_length=20)
    """What ends an answer where it is said, such as a period, for a policy that goes on and says it again; empty for
    nothing. What comes after it is neither read nor trained on."""
    trains: Literal["both", "memory", "answer"] = "both"
    """Whose turns are trained: those that manage the memory, those that answer, or both."""
    cites: bool = False
    """Whether an answer first names the memories that it rests on: Memory-R1's selection before the answer, RMM's
    citations. The tiny policy has not learned it."""
    prompts: dict[str, str] = {}
    """Prompts of your own, by role: an instruction with the placeholders of that role, such as {memories} and {fact}; a
    line of three dashes ends the system message. Roles that are left out are asked in the words of the policy's
    dialect. The tiny and the scripted policies' prompts are fixed."""

    @field_validator("prompts")
    @classmethod
    def _known_prompts(cls, prompts: dict[str, str]) -> dict[str, str]:
        return {role: check_prompt(role, text) for role, text in prompts.items()}

    @model_validator(mode="after")
    def _prompts_are_asked(self) -> Paradigm:
        known, asked = asked_roles(self)
        unused = [role for role in self.prompts if role not in asked]
        if unused and known:
            raise ValueError(
                f"prompts.{unused[0]}: no part of this paradigm asks for the role {unused[0]!r}; its roles: "
                + ", ".join(sorted(asked))
            )
        return self

    @property
    def asks(self) -> dict[str, str]:
        """The role in which it asks the policy itself, with its wording."""
        return {"answer": "cite" if self.cites else "answer"}

    def start(self, example: Example) -> Context:
        """A context with an empty bank for one episode or chat."""
        context = Context(example, self.store.open(), prompts=self.prompts)
        context.is_trained = self.trains_role
        return context

    def trains_role(self, role: str) -> bool:
        """Whether turns of a role are trained, by `trains`."""
        return self.trains in ("both", "answer" if role == "answer" else "memory")

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
        read: list[list[Memory]] = []
        for question in questions:
            hits: list[Hit] = yield from context.recall(self.retriever, question)
            memories = [hit.memory for hit in hits]
            texts = [memory.text for memory in memories]
            read.append(memories)
            fixed = (
                cite_messages(memories, question)
                if self.cites
                else answer_messages(texts, question)
            )
            asked = context.prompt(
                "answer", fixed, self.asks["answer"], memories=memories, question=question
            )
            facts = {
                "memory": " ".join(texts), "question": question, "memories": memories, "cites": self.cites,
            }  # fmt: skip
            asks.append((asked, facts))
        answers = yield from context.ask_all(
            "answer", asks, self.answer_tokens, stop=self.answer_stop
        )
        if not self.cites:
            return [context.dialect_of("answer").read_answer(answer) for answer in answers]
        named = zip(questions, read, answers, strict=True)
        return [self._take_citations(*one, context) for one in named]

    @staticmethod
    def _take_citations(question: str, memories: list[Memory], text: str, context: Context) -> str:
        """The answer without the memories that it names, which are recorded; a naming that cannot be read is recorded
        as rejected, the answer counts all the same."""
        cited, answer, wrong = context.dialect_of("answer").read_citations(text, memories)
        context.cite(question, cited)
        if wrong:
            context.apply([Op(action="reject", text=text, reason=wrong)])
        return answer

    def play(self, context: Context) -> Generator[Any, Any, list[str]]:
        """The whole episode; returns an answer to each question of the example."""
        for index in range(len(context.example.observations)):
            yield from self.read(index, context)
        return (yield from self.answer([q.question for q in context.example.questions], context))


def asked_roles(part: Component) -> tuple[bool, dict[str, str]]:
    """Whether all roles in which a part, or one inside it, asks the policy are known; and those roles, each with the
    name of its wording. A part of the user's own that does not tell its roles (`asks`) may ask for any."""
    roles = dict(getattr(part, "asks", {}))
    tells = any("asks" in vars(cls) for cls in type(part).__mro__ if getattr(cls, "kind", ""))
    known = tells or type(part).__module__.partition(".")[0] == PACKAGE
    for name in type(part).model_fields:
        inner = getattr(part, name)
        if isinstance(inner, Component):
            inside, more = asked_roles(inner)
            known, roles = known and inside, roles | more
    return known, roles
