"""A run looked at from the shell before it is started: what it needs and would take, and one episode of it."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from sqlalchemy import Engine

from memfactory_core import config
from memfactory_core.assembly.rehearsal import rehearse
from memfactory_core.cli.foreground import open_database
from memfactory_core.config import RunConfig
from memfactory_core.explain import story
from memfactory_core.explain.stages import tell_stretches
from memfactory_core.runs.checks import find_checks
from memfactory_core.runs.footprint import foresee
from memfactory_core.runs.forecast import forecast
from memfactory_core.runs.weights import role_weights, start_weights
from memfactory_core.text import one_line


def print_plan(connection: Engine, settings: RunConfig, json_: bool) -> None:
    """What a run with these settings would do, need and take; nothing was started. Leaves with 2 where it could not
    start."""
    footprint, time = foresee(connection, settings), forecast(connection, settings)
    checks = find_checks(connection, settings)
    if json_:
        known = footprint.model_dump() | {"total": footprint.total, "forecast": time.model_dump()}
        print(json.dumps(known | {"checks": [check.model_dump() for check in checks]}, indent=2))
    else:
        training = settings.training
        size = f"{training.steps:,} steps of {training.groups} x {training.group_size} episodes"
        print(one_line(f"{settings.name}: {size}" if settings.mode == "train" else settings.name))
        if settings.mode == "train" and (told := tell_stretches(settings.dump()["training"])):
            print(one_line(told))
        print(footprint.in_words())
        print(one_line(time.in_words()))
        for check in checks:
            print(one_line(f"{'ok' if check.passed else 'NO':3} {check.name}: {check.told}"))
    if not all(check.passed for check in checks):
        raise typer.Exit(2)


def play(
    recipe: str,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Override a setting: a.b=value.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Draws the example and the words.")] = 0,
    json_: Annotated[bool, typer.Option("--json", help="Print the whole episode.")] = False,
) -> None:
    """Play one episode of a recipe with the policy as it would begin, and tell it; no run is made."""
    settings = config.load(recipe, set_ or ())
    connection = open_database()
    sampler = settings.load_policies(
        start_weights(connection, settings), role_weights(connection, settings, None)
    )
    episode = rehearse(settings, sampler, seed)
    if json_:
        print(episode.model_dump_json(indent=2))
        return
    print(one_line(story.tell(episode)))
    for section in story.sections(episode.example, episode.events):
        print(one_line(f"read: {section.text}"[:400]))
        for write in section.writes:
            print(one_line(f"  {write.action} {write.after or write.before or ''}"[:400]))
    scores = ", ".join(f"{name} {value:.2g}" for name, value in episode.scores.items())
    print(one_line(f"answer: {episode.answer}"))
    print(f"reward {episode.reward:+.2f}; {scores}")
