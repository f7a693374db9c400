"""Processor seconds of a chat model's answers by `policy.engine`: `python -m bench.engines MODEL [--set a.b=c]`.

The first prompts of MemAgent's episodes, each asked by a group of attempts, are answered by both engines in turn; with
`--mixed` every second answer may be eight times as short, which is where rows that make room for others save most.
Seconds are for each new token, for what is sampled differs in length; the ratio of a round changes less than seconds do
beside other work. Run it with OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from dataclasses import replace
from typing import Any

# before torch is imported
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch  # noqa: E402

from memfactory_core.config import load  # noqa: E402
from memfactory_core.episode import Answering, Ask, run_episodes  # noqa: E402
from memfactory_core.policies.continuous import ContinuousSampler  # noqa: E402
from memfactory_core.policies.language_model import LanguageModelSampler  # noqa: E402
from memfactory_core.types import Completion  # noqa: E402

SETTINGS = [
    "policy.kind=hf", "policy.engine=continuous", "policy.dtype=float32", "task.chunks=2", "task.facts_per_chunk=3",
    "paradigm.store.budget=80",
]  # fmt: skip


class First(Answering):
    """Keeps what is asked first."""

    asks: list[Ask]

    def complete(self, asks, temperature):
        """Nothing is said."""
        self.asks = getattr(self, "asks", None) or list(asks)
        return [Completion(text="") for _ in asks]


def measure(
    model: str, prompts: int, attempts: int, new: int, rounds: int, mixed: bool, settings: list[str]
) -> dict[str, Any]:
    """By temperature: medians of both engines, ms a token, and the ratio's median, least and most of the rounds."""
    config = load("memagent-tiny", [*SETTINGS, f"policy.model={model}", *settings])
    sampler: Any = config.policy.load()
    first = First()
    run_episodes(config.paradigm, first, config.task.examples(prompts, 0), 0.0)
    asks = [
        replace(ask, max_tokens=new // 8 if mixed and number % 2 else new)
        for ask in first.asks
        for number in range(attempts)
    ]
    found: dict[str, Any] = {"rows": len(asks), "threads": torch.get_num_threads()}
    for temperature in (0.0, 0.7):
        engines: tuple[type[LanguageModelSampler], ...] = (LanguageModelSampler, ContinuousSampler)
        spent: dict[type[LanguageModelSampler], list[float]] = {engine: [] for engine in engines}
        texts = []
        for number in range(rounds):
            for engine, seconds in spent.items():
                sampler.seed(number)
                began = time.process_time()
                said = engine.complete(sampler, asks, temperature)
                tokens = sum(len(done.completion_ids or ()) for done in said)
                seconds.append((time.process_time() - began) / tokens)
                texts.append([done.text for done in said])
        own, other = spent.values()
        ratios = [b / a for a, b in zip(own, other, strict=True)]
        found[f"temperature {temperature}"] = {
            "transformers_ms": round(1000 * statistics.median(own), 2),
            "continuous_ms": round(1000 * statistics.median(other), 2),
            "ratio": [round(f(ratios), 2) for f in (statistics.median, min, max)],
        }
        if not temperature:
            same = [one == two for one, two in zip(*texts[:2], strict=True)]
            found["temperature 0.0"]["same_texts"] = sum(same)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a folder or a known name")
    for name, value in (("prompts", 4), ("attempts", 8), ("new", 32), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--mixed", action="store_true")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    print(json.dumps(measure(**vars(parser.parse_args()))), flush=True)
