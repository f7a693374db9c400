"""What a recipe is at a glance: its paradigm, its model, what it needs, and how long it took where that was
measured."""

from __future__ import annotations

from typing import Any, Literal

from memfactory_core.component import Settings, find
from memfactory_core.config import CARD, build, read_file, recipes
from memfactory_core.tasks import Task

FILE = "your file"


class Card(Settings):
    """A recipe's own table `[card]`."""

    device: Literal["CPU", "GPU"] = "CPU"
    """Where it is meant to run."""
    minutes: float | None = None
    """How long the recipe took as it stands; nothing where nobody measured it."""
    measured: str = ""
    """Where that was."""


class Preset(Settings):
    """A recipe at a glance; `minutes` as its card tells."""

    name: str
    """Under which it is found."""
    title: str
    """What it is called."""
    about: str
    """What it shows."""
    mode: str
    """What it does."""
    paradigm: str
    """The paradigm's kind."""
    model: str
    """The policy's model, or its kind where it has none."""
    needs: tuple[str, ...]
    """The device, and "your file" where it reads one."""
    card: Card
    """What it takes."""

    def time_in_words(self) -> str:
        """How long it took, or that this is not known."""
        if self.card.minutes is None:
            return "time not measured"
        return f"{self.card.minutes:g} min {self.card.measured}".strip()


def describe_preset(name: str) -> Preset:
    """A recipe at a glance, by its name. ConfigError where it cannot be read."""
    values = read_file(name)
    card = Card.model_validate(values.pop(CARD, {}))
    config = build(values, name)
    return Preset(
        name=name, title=config.name, about=config.about, mode=config.mode, paradigm=config.paradigm.kind,
        model=_name_model(config.policy.model_dump(mode="json")), needs=_list_needs(config.task, card), card=card,
    )  # fmt: skip


def list_presets() -> list[Preset]:
    """Every recipe that comes with the package: those that start at once first, those that need a GPU last."""
    found = [describe_preset(name) for name in recipes()]
    return sorted(
        found,
        key=lambda one: (len(one.needs), one.needs, one.card.minutes or float("inf"), one.name),
    )


def _name_model(policy: dict[str, Any]) -> str:
    if policy["kind"] != "hf":
        return str(policy["kind"])
    return f"{policy['model']}{', LoRA' if policy['lora_rank'] else ''}"


def _list_needs(task: Task, card: Card) -> tuple[str, ...]:
    reads = "path" in find("tasks", task.kind).model_fields
    return (card.device, FILE) if reads else (card.device,)
