"""Policies answer what the parts ask. `Policy` is the settings, `Sampler` (in episode.py) the live model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from memfactory_core.component import Component, Part
from memfactory_core.dialects import Dialect
from memfactory_core.dialects.quoted import Quoted
from memfactory_core.episode import Sampler


class Policy(Component, ABC, family="policies"):
    """Who decides what to remember and answers."""

    trainable: ClassVar[bool] = False
    not_learned: ClassVar[tuple[str, ...]] = ()
    """Roles, and "cite", that it can do nothing with; a recipe that asks it for one is refused."""
    small_language: ClassVar[bool] = False
    """Whether it understands the sentences of the made-up tasks alone, and no ordinary language."""
    shipped: ClassVar[Path | None] = None
    """The folder of the weights that it begins with, where they come with the package."""
    copies: ClassVar[bool] = False
    """Whether it can be held to whole sentences that it was shown (`updater.writes = "copied"`): its tokens must be
    drawn here."""
    dialect: Part[Dialect] = Quoted()
    """How it is spoken to and read; its sampler names it too."""

    @abstractmethod
    def load(self, weights: Path | None = None) -> Sampler:
        """The live policy; `weights` is a folder that training wrote, None means the starting weights.
        Raises PolicyError where it cannot be loaded."""

    def sampling(self, temperature: float) -> dict[str, float]:
        """How it draws at a temperature, for the tables: {"temperature", ...}; {} where it draws nothing."""
        return {"temperature": temperature}

    def trainer_options(self, model: Any) -> dict[str, Any]:
        """What the trainer needs beside the loaded model, such as adapters to add."""
        return {}

    def training_arguments(self) -> dict[str, Any]:
        """What TRL's configuration needs to know of the model, such as its precision."""
        return {}
