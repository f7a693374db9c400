"""Extractors turn an observation into facts worth considering."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from memfactory_core.component import Component
from memfactory_core.episode import Context


class Extractor(Component, ABC, family="extractors"):
    """What is taken from each observation."""

    whole_sessions: ClassVar[bool] = False
    """Whether it takes a conversation's messages together, at the end of their session."""

    @property
    def asks(self) -> dict[str, str]:
        """The roles in which it asks the policy, each with the name of its wording (dialects/wordings.py); parts
        inside it tell theirs."""
        return {}

    @abstractmethod
    def extract(self, observation: str, context: Context) -> Any:
        """The facts of an observation, a list of texts; or a generator that asks the policy for them."""
