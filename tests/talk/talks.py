"""Talks that tests hold: with scripted agents, and with the trained ones that come with the package."""

from functools import cache

import pytest

from memfactory_core import config
from memfactory_core.runs import examples
from memfactory_core.talk.talk import Talk
from memfactory_core.tiny import WEIGHTS
from memfactory_core.trace import Wrote, replay

BUILT = pytest.mark.skipif(
    not (WEIGHTS / "model.safetensors").exists(), reason="the tiny weights are not built"
)
FACT = "The pet of Bako is Zimo."
CHANGE = "The pet of Bako is Rilo."
GONE = "The pet of Bako is gone."
ASKED = "What is the pet of Bako?"
TURNS = (FACT, ASKED, CHANGE, ASKED, GONE, ASKED)


def scripted(recipe: str, *assignments: str) -> Talk:
    """A talk with a recipe's paradigm and a program."""
    chosen = config.load(recipe, ["mode=evaluate", "policy=scripted", "roles={}", *assignments])
    return Talk(recipe, f"recipe:{recipe}", chosen, chosen.load_policies(None, None))


@cache
def _shipped(name: str):
    (folder,) = [folder for folder in examples.FOLDERS if folder.name == name]
    chosen = config.load(str(folder / "run.json"))
    return chosen, chosen.load_policies(folder / "policy", None)


def shipped(name: str) -> Talk:
    """A talk with a trained example run's agent."""
    return Talk(name, f"run:{name}", *_shipped(name))


def tiny(recipe: str) -> Talk:
    """A talk with a recipe's untrained tiny policy."""
    chosen = config.load(recipe)
    return Talk(recipe, f"recipe:{recipe}", chosen, chosen.load_policies(None, None))


def say(talk: Talk, *messages: str) -> list[str | None]:
    """The answers to messages, None where a message was told; each must have come to a good end."""
    answers = []
    for message in messages:
        entry = list(talk.say(message))[-1]
        assert not entry.note, entry.note
        answers.append(entry.answer)
    check_trace(talk)
    return answers


def texts(talk: Talk) -> list[str]:
    return [memory.text for memory in talk.memories]


def check_trace(talk: Talk) -> None:
    """The trace alone gives the bank, and the entries stand in it one after the other."""
    assert list(replay(talk.context.events).values()) == talk.memories
    assert [event.seq for event in talk.context.events] == list(range(len(talk.context.events)))
    ends = [0, *(entry.end for entry in talk.entries)]
    assert [entry.first for entry in talk.entries] == ends[:-1]
    assert ends[-1] == len(talk.context.events)


def writes(talk: Talk) -> list[tuple[str, str]]:
    """(who, action) of every write."""
    return [(e.who, e.action) for e in talk.context.events if isinstance(e, Wrote)]
