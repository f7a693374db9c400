"""The nouns of the library, frozen and dumb. Words: an *example* is one item of a task, an *episode* one
attempt at it, a *turn* one call of the policy inside an episode, a *group* the G episodes of one example."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Action = Literal["add", "update", "delete", "noop", "reject"]
Message = dict[str, str]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
"""A seed that every generator takes; numpy's, which transformers seeds as well, ends at 32 bits."""


class Record(BaseModel):
    """A frozen value that travels as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Evidence(Record):
    """One thing that must be remembered to answer: its wording and the observation that states it. `also` are
    other wordings: a memory that holds one of them holds the fact."""

    text: str
    observation: int | None = None
    also: tuple[str, ...] = ()

    @property
    def wordings(self) -> tuple[str, ...]:
        """Everything that states it, as it was told first."""
        return (self.text, *self.also)


class Question(Record):
    """A question with its right answers and what must be remembered for it."""

    question: str
    answers: tuple[str, ...]
    evidence: tuple[Evidence, ...] = ()
    all_of: tuple[str, ...] = ()
    """Golds that must all be in the answer; empty where each of `answers` is right alone."""


class Example(Record):
    """One item of a task: what is read, in order, and the question asked at the end. `others` are further
    questions asked of the same memory; they are scored like the first. `text_id` is the identity of what is
    read, as it stands in the data: examples about one text share it whatever is shuffled, cut or left out.
    `meta["all_of"]` are golds that must all be in the answer."""

    id: str
    observations: tuple[str, ...]
    question: str
    answers: tuple[str, ...]
    evidence: tuple[Evidence, ...] = ()
    others: tuple[Question, ...] = ()
    meta: dict[str, Any] = Field(default_factory=dict)
    text_id: str = ""

    @property
    def text(self) -> str:
        """What tells this example's text from others: `text_id`, or a hash of what is read where the task
        gives none."""
        if self.text_id:
            return self.text_id
        return hashlib.sha256(
            "\n".join(self.observations).encode("utf-8", "surrogatepass")
        ).hexdigest()[:16]

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """Every question that is asked, the first one first; made once, when it is first asked for."""
        first = Question(
            question=self.question, answers=self.answers, evidence=self.evidence,
            all_of=tuple(self.meta.get("all_of", ())),
        )  # fmt: skip
        return (first, *self.others)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Example:
        """As of any record; questions that were found before are those of the old one."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("questions", None)
        return copied

    @property
    def needed(self) -> list[Evidence]:
        """Everything that must be remembered to answer all questions, each once."""
        return list(dict.fromkeys(item for q in self.questions for item in q.evidence))

    @property
    def single_questions(self) -> list[Example]:
        """One example for each question, reading the same. Where `meta["questions"]` knows each question's
        own id and meta, they get these."""
        if not self.others:
            return [self]
        known = self.meta.get("questions") or [
            {"id": f"{self.id}?{number}", **self.meta} for number in range(len(self.questions))
        ]
        return [
            self.model_copy(
                update={
                    "id": meta["id"], "others": (), "evidence": asked.evidence,
                    "question": asked.question, "answers": asked.answers,
                    "meta": {
                        **{k: value for k, value in meta.items() if k not in ("id", "all_of")},
                        **({"all_of": list(asked.all_of)} if asked.all_of else {}),
                    },
                }
            )
            for asked, meta in zip(self.questions, known, strict=True)
        ]  # fmt: skip


class Memory(Record):
    """One entry of a bank. `created` and `updated` are event numbers, `source` an observation's index."""

    id: str
    text: str
    created: int = 0
    updated: int = 0
    source: int | None = None
    meta: dict[str, Any] = Field(default_factory=dict)
    key: str = ""
    """The words under which it is found; empty means its text."""
    pinned: bool = False
    """Whether it stays as it is: a bank refuses to change or remove it."""

    @property
    def searched_text(self) -> str:
        """What a search compares with: the key, or the text where there is none."""
        return self.key or self.text


def told_by_id(memories: Iterable[Memory]) -> dict[str, tuple[str, str, bool]]:
    """What memories say, the words under which they are found and whether they are pinned, by their ids: equal for
    banks that hold the same, whatever events led to it."""
    return {memory.id: (memory.text, memory.key, memory.pinned) for memory in memories}


class Hit(Record):
    """A memory that a retriever returned, with the scores that explain its rank."""

    memory: Memory
    score: float = 0.0
    scores: dict[str, float] = Field(default_factory=dict)


class Op(Record):
    """A change that an updater asks for. `reject` is an output that could not be carried out: nothing
    changes, the reason is kept, the reward pays for it."""

    action: Action
    memory_id: str | None = None
    text: str | None = None
    reason: str = ""
    key: str = ""
    """The words under which an added or updated memory is found; empty means its text."""


class Completion(Record):
    """What a sampler returned. The ids are exactly those sampled (end token included if it was sampled);
    they are None where the policy is not trainable. `logprobs` are of the distribution that was drawn from:
    where the sampling cut it (min-p), `kept` holds the ids that were left to each token. `policy` names who
    answered where it was not the run's own policy. What it thought before it spoke is no part of `text`."""

    text: str
    thinking: str = ""
    prompt_ids: tuple[int, ...] | None = None
    completion_ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None
    tokens: int | None = None
    """Tokens written, thinking included, as a server counted them; None where the ids tell or nobody does."""
    kept: tuple[tuple[int, ...], ...] | None = None
    policy: str | None = None
    finish_reason: Literal["stop", "length"] = "stop"

    @property
    def length(self) -> int | None:
        """Tokens written, thinking included; None where it is not known."""
        return self.tokens if self.completion_ids is None else len(self.completion_ids)


class Turn(Record):
    """One call of the policy: its role, the messages it saw, what it wrote."""

    role: str
    messages: tuple[Message, ...]
    completion: Completion
    observation: int | None = None
    trainable: bool = True
