"""Prompts as texts with named placeholders: what each role's prompt must hold, whether a text of the user's own can be
used, and how it becomes messages. A line of three dashes ends the system message; without one all is the user's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from memfactory_core.types import Message


class Placeholders(NamedTuple):
    """What a role's prompt is filled with: what it must hold, and what it may."""

    needed: tuple[str, ...]
    possible: tuple[str, ...] = ()


ROLES = {
    "extract": Placeholders(("text",)),
    "update": Placeholders(("memory", "text"), ("question", "budget", "tokens")),
    "manage": Placeholders(("memories", "fact")),
    "merge": Placeholders(("memories", "fact")),
    "index": Placeholders(("text",)),
    "search": Placeholders(("question",), ("count",)),
    "rerank": Placeholders(("memories", "question"), ("most",)),
    "answer": Placeholders(("memories", "question")),
}
"""The roles whose prompts can be written anew."""
LINE = "---"
# \boxed{...} belongs to the text; so do JSON and anything else in braces that is no name
_NAME = re.compile(r"(?<!\\boxed)\{([a-z_]+)\}")


def check_prompt(role: str, text: str) -> str:
    """The text itself. ValueError where there is no such role, a placeholder is missing or unknown, or nothing is left
    for the user's message."""
    if role not in ROLES:
        raise ValueError(f"no role called {role!r} has a prompt; known: {', '.join(ROLES)}")
    known, found = ROLES[role], _NAME.findall(text)
    names = (*known.needed, *known.possible)
    if missing := [name for name in known.needed if name not in found]:
        raise ValueError(
            f"the prompt of {role!r} has no {' and no '.join(f'{{{name}}}' for name in missing)}: "
            "write it where the content shall stand"
        )
    if unknown := [name for name in found if name not in names]:
        raise ValueError(
            f"the prompt of {role!r} has an unknown placeholder {{{unknown[0]}}}; known: "
            + ", ".join(f"{{{name}}}" for name in names)
        )
    if not split_prompt(text)[1].strip():
        raise ValueError(f"the prompt of {role!r} ends with the line {LINE}: nothing is asked")
    return text


def split_prompt(text: str) -> tuple[str, str]:
    """The system message ("" for none) and the user's."""
    lines = text.splitlines()
    marks = [number for number, line in enumerate(lines) if line.strip() == LINE]
    if not marks:
        return "", text.strip()
    return "\n".join(lines[: marks[0]]).strip(), "\n".join(lines[marks[0] + 1 :]).strip()


def fill_prompt(text: str, values: Mapping[str, object]) -> list[Message]:
    """The messages of a prompt; what a value holds is never filled in again."""

    def fill(part: str) -> str:
        return _NAME.sub(lambda name: str(values.get(name[1], name[0])), part)

    system, asked = split_prompt(text)
    messages = [{"role": "system", "content": fill(system)}] if system else []
    return [*messages, {"role": "user", "content": fill(asked)}]
