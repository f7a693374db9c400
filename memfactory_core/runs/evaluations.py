"""Evaluations of what is there already: a run's trained policy, the one that it started with, and programs as
baselines, each on the run's own held-out examples or on another task. They are ordinary runs of the queue."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple, get_args

from sqlalchemy import Engine

from memfactory_core.assignment import set_values, setting_name
from memfactory_core.config import RunConfig, build
from memfactory_core.errors import MemFactoryError
from memfactory_core.policies.scripted import Strategy
from memfactory_core.runs.checks import refuse_start
from memfactory_core.runs.labels import LONGEST_NAME
from memfactory_core.runs.tables import Run
from memfactory_core.runs.weights import TRAINS, start_weights

UNTRAINED = ("weights_step=0",)
"""What makes an evaluation of a run one of the weights that it started with, on the same examples."""
STRATEGIES: tuple[str, ...] = get_args(Strategy)
"""The programs that can stand beside a trained policy."""
_APART = ("name", "about", "seed", "weights", "training", "imitation", "retention")
"""Settings in which two runs may differ although a baseline of the one is a baseline of the other."""


class Planned(NamedTuple):
    """One evaluation that could be begun: the run it is of, the assignments that `memfactory eval` takes, the
    configuration, or why it is refused."""

    run: Run
    assignments: tuple[str, ...]
    config: RunConfig | None
    refusal: str


def scripted(strategy: str) -> tuple[str, ...]:
    """The assignments that put a program in the place of a run's policy, on the same examples."""
    return ("policy=scripted", f"policy.strategy={strategy}", *UNTRAINED)


def evaluation_of(run: Run, assignments: Sequence[str] = ()) -> RunConfig:
    """The configuration that measures a run's policy. A run that trained is measured with the weights that it ended
    with; one that was an evaluation itself is done again. ConfigError where the settings do not fit."""
    values = run.settings | {"mode": "evaluate"}
    if run.mode in TRAINS:
        values |= {"weights": run.id, "weights_step": None}
    own = values.get("task"), values.get("evaluation", {}).get("task")
    set_values(values, assignments)
    if not any(setting_name(assignment) == "name" for assignment in assignments):
        moved = (values.get("task"), values.get("evaluation", {}).get("task")) != own
        values["name"] = _name(run, build(values, f"run {run.id}"), moved)
    return build(values, f"run {run.id}")


def _name(run: Run, config: RunConfig, moved: bool) -> str:
    """What tells this evaluation from the run and from others of it."""
    who = "evaluated"
    if config.policy.kind == "scripted":
        who = getattr(config.policy, "strategy", "scripted")
    elif config.weights_step is not None:
        who = f"step {config.weights_step}" if config.weights_step else "untrained"
    told = f" ({who} on {config.held_out.kind})" if moved else f" ({who})"
    return f"{run.name[: LONGEST_NAME - len(told)]}{told}"


def plan_evaluations(
    engine: Engine,
    runs: Sequence[Run],
    agents: Sequence[Sequence[str]],
    tasks: Sequence[Sequence[str]] = ((),),
    settings: Sequence[str] = (),
) -> list[Planned]:
    """Every run with every one of its `agents` (assignments: none for the trained policy, UNTRAINED, `scripted(...)`)
    on every task (assignments, none for the run's own). A baseline that two runs share is planned once."""
    planned: list[Planned] = []
    seen: set[str] = set()
    for task in tasks:
        for run in runs:
            for agent in agents:
                given = (*agent, *task, *settings)
                one = _plan(engine, run, given)
                if one.config and UNTRAINED[0] in agent:
                    apart = {name: None for name in _APART}
                    trains_nothing = one.config.policy.kind == "scripted"
                    begins = None if trains_nothing else start_weights(engine, one.config)
                    shared = json.dumps([one.config.dump() | apart, str(begins)], sort_keys=True)
                    if shared in seen:
                        continue
                    seen.add(shared)
                planned.append(one)
    return planned


def _plan(engine: Engine, run: Run, assignments: tuple[str, ...]) -> Planned:
    try:
        config = evaluation_of(run, assignments)
        refuse_start(engine, config)
    except MemFactoryError as error:
        return Planned(run, assignments, None, str(error))
    return Planned(run, assignments, config, "")
