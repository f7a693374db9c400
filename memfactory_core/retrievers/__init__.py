"""Retrievers choose the memories that a question is answered from, with the scores that explain why."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from memfactory_core.component import Component
from memfactory_core.episode import Context


class Retriever(Component, ABC, family="retrievers"):
    """Which memories are read."""

    @property
    def asks(self) -> dict[str, str]:
        """The roles in which it asks the policy, each with the name of its wording (dialects/wordings.py); parts
        inside it tell theirs."""
        return {}

    @abstractmethod
    def retrieve(self, query: str, context: Context) -> Any:
        """The hits, best first, a list of `Hit`; or a generator that asks the policy and returns them."""
