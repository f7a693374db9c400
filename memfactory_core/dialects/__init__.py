"""How a policy is spoken to and read: how memories are quoted in a prompt, how an operation is written, and how
what it says becomes an operation. What is asked, and when, belongs to updaters, retrievers and paradigms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from memfactory_core.component import Component
from memfactory_core.errors import PolicyError
from memfactory_core.types import Memory, Message, Op

DateOf = Callable[[Memory], str]
"""When a memory was told, as the text says it; "" where it does not."""


def undated(memory: Memory) -> str:
    """No date, whatever the memory."""
    return ""


class Dialect(Component, ABC, family="dialects"):
    """How a policy is spoken to and read.

    Outputs come without thinking (dialects/thinking.py). Each reader takes time in proportion to what it reads,
    raises nothing, whatever was said, and gives a reason for what it refuses. Each writer gives the one form that the
    prompts ask for and that its reader reads back: what programs say and demonstrations show."""

    fixed_prompts: ClassVar[bool] = True
    """Whether it asks in its own words alone, so that a recipe's `prompts` would change nothing."""

    def messages(
        self,
        wording: str,
        fixed: Sequence[Message],
        values: Mapping[str, Any],
        given: str | None = None,
        date_of: DateOf = undated,
    ) -> list[Message]:
        """The messages of one ask. `fixed` is how the asking part words it; a dialect with words of its own takes
        `given` (the recipe's prompt) or its own `wording` and fills it with `values`."""
        return list(fixed)

    @abstractmethod
    def read_operations(
        self, text: str, related: Sequence[Memory], fact: str = "", merging: bool = False
    ) -> list[Op]:
        """The operations that an output asks for, all to be carried out in order; or one `reject` with the reason.
        `related` are the memories that were shown with their ids, beside `fact`. `merging` allows ADD and MERGE
        instead of ADD, UPDATE, DELETE and NOOP. No text to be stored holds an operation."""

    @abstractmethod
    def read_choice(self, text: str, shown: Sequence[Memory]) -> tuple[list[Memory], str]:
        """The chosen ones of the memories shown, in the order chosen, each once, and the first thing that is wrong
        with the output ("" where nothing is)."""

    @abstractmethod
    def read_memory(self, text: str, shown: str = "") -> tuple[str, str]:
        """The memory that an output is, rewritten whole, and what is wrong with it ("" where nothing is). `shown`
        is what the policy had before it."""

    @abstractmethod
    def read_facts(self, text: str, shown: str = "", cut_off: bool = False) -> list[str]:
        """The facts that an output lists; with `cut_off` the unfinished last one is left out. `shown` is what they
        were taken from."""

    def read_answer(self, text: str) -> str:
        """The answer that an output is; what is scored of it is read from this (rewards/answers.py)."""
        return text

    def read_query(self, text: str, question: str = "") -> tuple[str, str]:
        """What an output wants to search for ("" for nothing), and what is wrong with it ("" where nothing is)."""
        said = text.strip()
        if "\n" in said or not said:
            return "", "more than one line" if said else "nothing was said"
        return ("" if said == NONE else said.removeprefix("SEARCH ").strip()), ""

    def read_key(self, text: str, shown: str = "") -> tuple[str, str]:
        """The key that an output is, and what is wrong with it. `shown` is the memory that it is for."""
        said = text.strip()
        if "\n" in said or not said or said == NONE:
            return "", "more than one line" if "\n" in said else "no key was written"
        return said, ""

    def read_citations(self, text: str, shown: Sequence[Memory]) -> tuple[list[Memory], str, str]:
        """The memories that an answer names as those it rests on, the answer without them, and what is wrong with the
        naming ("" where nothing is; naming none is right where nothing helps)."""
        first, _, rest = text.strip().partition("\n")
        named = first.removeprefix(CITED).strip()
        if not first.startswith(CITED):
            return [], text, "the answer names no memories"
        if named == NONE:
            return [], rest.removeprefix(ANSWER).strip(), ""
        chosen, wrong = self.read_choice(named, shown)
        return chosen, rest.removeprefix(ANSWER).strip(), wrong

    def write_operation(self, op: Op, related: Sequence[Memory], merging: bool = False) -> str:
        """An operation as `read_operations` reads it; `related` are the memories that were shown. PolicyError where
        the dialect does not say how."""
        raise PolicyError(
            f"the dialect {self.kind!r} does not say how an operation is written (write_operation)"
        )

    def write_choice(self, chosen: Sequence[Memory]) -> str:
        """A choice among the memories shown as `read_choice` reads it. PolicyError as above."""
        raise PolicyError(
            f"the dialect {self.kind!r} does not say how a choice is written (write_choice)"
        )

    def write_facts(self, facts: Sequence[str]) -> str:
        """Facts as `read_facts` reads them."""
        return "\n".join(facts) or NONE

    def write_answer(self, answer: str) -> str:
        """An answer as `read_answer` and its scoring read it."""
        return answer

    def write_query(self, query: str) -> str:
        """What is searched for, "" for nothing, as `read_query` reads it."""
        return f"SEARCH {query}" if query else NONE

    def write_citations(self, cited: Sequence[Memory], answer: str) -> str:
        """An answer behind the memories that it rests on, as `read_citations` reads it."""
        named = self.write_choice(cited) if cited else NONE
        return f"{CITED} {named}\n{ANSWER} {answer}"


NONE = "NONE"
"""The word for nothing to search for and for no memory."""
CITED, ANSWER = "Memories:", "Answer:"
"""How an answer that names its memories begins, and what stands before the answer itself."""
