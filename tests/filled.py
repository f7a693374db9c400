"""A database as the lab finds it after some work: an evaluation that the worker did with a scripted
policy, and a training run whose episodes are played by scripted policies that get better."""

from __future__ import annotations

import json
import shutil
import statistics
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from memfactory_core import config
from memfactory_core.episode import run_episodes
from memfactory_core.policies.scripted import ScriptedSampler
from memfactory_core.rewards import score
from memfactory_core.runs import database, jobs, recording, worker
from memfactory_core.scoring.evaluate import evaluate, flat
from memfactory_core.trace import Episode

GROUPS, SIZE = 4, 4


def fill(engine: Engine, steps: int = 12, examples: int = 12) -> dict[str, str]:
    """Run ids by what they are: evaluated, trained, failed, empty."""
    small = [f"evaluation.examples={examples}", "evaluation.samples=1"]
    scripted = ["policy=scripted", "mode=evaluate", "name=Overlap baseline", *small]
    evaluated = jobs.create(engine, config.load("memagent-tiny", scripted))
    worker.work(engine, evaluated.id)
    return {
        "evaluated": evaluated.id,
        "failed": _failed(engine),
        "empty": jobs.create(engine, config.load("memagent-tiny", ["name=Just created"])).id,
        "trained": _trained(engine, steps, examples),
    }


def _failed(engine: Engine) -> str:
    run = jobs.create(engine, config.load("memagent-tiny", ["name=A run that failed"]))
    reason = "no weights: the file model.safetensors is missing; train the run again"
    now = database.now()
    database.update_run(engine, run.id, state="failed", reason=reason, started=now - 9, ended=now)
    return run.id


def _trained(engine: Engine, steps: int, examples: int) -> str:
    chosen = config.load("memagent-tiny", [f"training.steps={steps}"])
    run = jobs.create(engine, chosen)
    held_out = chosen.held_out.examples(examples, 1000, "heldout")
    results: dict[str, Any] = {}
    for when, strategy, step in (("before", "random", 0), ("after", "overlap", steps)):

        def keep(mode: str, episodes: list[Episode], when: str = when, step: int = step) -> None:
            recording.save_episodes(engine, run.id, f"{when}/{mode}", step, episodes)

        sampler = ScriptedSampler(strategy, 0)
        summary = evaluate(chosen.paradigm, sampler, held_out, chosen.reward, 2, keep)
        results[when] = flat(summary)
    for step in range(1, steps + 1):
        _train_step(engine, run.id, chosen, step, steps)
    now = database.now()
    database.update_run(
        engine, run.id, state="finished", started=now - 212, ended=now, step=steps,
        results=json.dumps(results), phase="evaluating after training",
    )  # fmt: skip
    return run.id


def with_weights(engine: Engine, recipe: str = "memagent-tiny", steps: int = 4) -> str:
    """A finished run that has weights: the shipped ones, a little shaken so that tokens differ; its
    episodes are played by the shipped policy itself."""
    chosen = config.load(recipe, ["policy.seed=0", f"name=Shaken {recipe}"])
    run = jobs.create(engine, chosen)
    _shake(Path(run.folder) / "policy")
    sampler = chosen.policy.load()
    held_out = chosen.held_out.examples(6, 1000, "heldout")
    for when, temperature, step in (("before", 0.0, 0), ("after", 0.0, steps)):
        names = [f"greedy-{example.id}" for example in held_out]
        played = run_episodes(chosen.paradigm, sampler, held_out, temperature, names)
        scored = [score(one, chosen.reward) for one in played]
        recording.save_episodes(engine, run.id, f"{when}/greedy", step, scored)
    for step in range(1, steps + 1):
        examples = [e for e in chosen.task.examples(GROUPS, step) for _ in range(SIZE)]
        names = [f"{step}-{example.id}" for example in examples]
        played = run_episodes(chosen.paradigm, sampler, examples, 1.0, names)
        keep_step(engine, run.id, step, steps, [score(one, chosen.reward) for one in played])
    now = database.now()
    database.update_run(engine, run.id, state="finished", started=now - 60, ended=now, step=steps)
    return run.id


def _shake(folder: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    from memfactory_core.tiny import WEIGHTS

    shutil.copytree(WEIGHTS, folder)
    tensors = load_file(folder / "model.safetensors")
    noise = torch.Generator().manual_seed(0)
    shaken = {
        name: tensor + 0.003 * torch.randn(tensor.shape, generator=noise)
        for name, tensor in tensors.items()
    }
    save_file(shaken, folder / "model.safetensors", metadata={"format": "pt"})


def _train_step(
    engine: Engine, run_id: str, chosen: config.RunConfig, step: int, steps: int
) -> None:
    better = step * GROUPS * SIZE // (steps + 1)
    examples = [e for e in chosen.task.examples(GROUPS, step) for _ in range(SIZE)]
    names = [f"{step}-{example.id}" for example in examples]
    played: list[Episode] = []
    for strategy, chunk in (("random", slice(better, None)), ("overlap", slice(0, better))):
        if examples[chunk]:
            sampler = ScriptedSampler(strategy, step)
            played += run_episodes(chosen.paradigm, sampler, examples[chunk], 1.0, names[chunk])
    keep_step(engine, run_id, step, steps, [score(episode, chosen.reward) for episode in played])


def keep_step(engine: Engine, run_id: str, step: int, steps: int, scored: list[Episode]) -> None:
    """Writes a training step's episodes, with their advantages, and its curves."""
    groups = {e.group_id: [o.reward for o in scored if o.group_id == e.group_id] for e in scored}
    scored = [
        e.model_copy(
            update={
                "advantage": (e.reward - statistics.fmean(rewards))
                / (statistics.pstdev(rewards) + 1e-4)
            }
        )
        for e in scored
        if (rewards := groups[e.group_id])
    ]
    recording.save_episodes(engine, run_id, "train", step, scored)
    scores = {
        f"score/{name}": statistics.fmean(e.scores[name] for e in scored if name in e.scores)
        for name in ("exact_match", "kept", "stored", "rejected", "memories", "found")
    }
    equal = sum(len(set(rewards)) == 1 for rewards in groups.values()) / len(groups)
    more = {
        "reward": statistics.fmean(e.reward for e in scored), "score/length": 11 + step / steps,
        "equal_groups": equal, "entropy": 0.9 - 0.5 * step / steps, "loss": 0.01,
    }  # fmt: skip
    recording.save_metrics(engine, run_id, step, scores | more)
