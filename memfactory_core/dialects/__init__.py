"""How a policy is spoken to and read: how memories are quoted in a prompt, how an operation is written, and how
what it says becomes an operation. What is asked, and when, belongs to updaters, retrievers and paradigms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from memfactory_core.component import Component
from memfactory_core.types import Memory, Op


class Dialect(Component, ABC, family="dialects"):
    """How a policy is spoken to and read.

    Outputs come without thinking (dialects/thinking.py). Each reader takes time in proportion to what it reads,
    raises nothing, whatever was said, and gives a reason for what it refuses."""

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
