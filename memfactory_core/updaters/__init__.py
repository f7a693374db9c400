"""Updaters decide what to do with each fact: they return operations and change nothing themselves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from memfactory_core.component import Component
from memfactory_core.episode import Context


class Updater(Component, ABC, family="updaters"):
    """How facts become changes of the memory."""

    @property
    def asks(self) -> dict[str, str]:
        """The roles in which it asks the policy, each with the name of its wording (dialects/wordings.py); parts
        inside it tell theirs."""
        return {}

    @property
    def copies(self) -> frozenset[str]:
        """The roles whose answers must be copied from what they are shown: not every policy can be held to that."""
        return frozenset()

    @property
    def for_a_question(self) -> bool:
        """Whether what is remembered depends on the question that the reading is for."""
        return False

    @abstractmethod
    def update(self, facts: list[str], context: Context) -> Any:
        """The operations for these facts, a list of `Op`; or a generator that asks the policy for them.
        A generator may call `context.apply` between facts where a later decision rests on an earlier one;
        it then returns what is still to be applied."""
