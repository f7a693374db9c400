"""Whether the tiny policy's state tells what a decision needs to know: `python -m bench.probe [--weights FOLDER]`.

A manager must tell a change from a new fact that shares only its person or only its attribute with a memory. A linear
probe (logistic regression) is fitted on the hidden states of each layer at the last token of the manager's prompt, of
messages with names of training, half of them changes and half near misses, and asked about others with held-out names.
What a probe cannot read there a policy has to learn to compute before it can decide by it; .5 is chance.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
from pathlib import Path

import torch

from memfactory_core.dialects import quoted
from memfactory_core.policies.tiny import Tiny, TinySampler
from memfactory_core.tasks.language import Speaker, Split
from memfactory_core.tiny import prompts
from memfactory_core.tiny.learner import near_miss
from memfactory_core.tiny.skills import draw_ids

FITTED, ASKED = 1500, 500
"""Messages that a probe is fitted on, and that it is asked about."""


def draw(rng: random.Random, split: Split, change: bool) -> str:
    """A manager's prompt over one to three memories, with a change of one of them or a near miss."""
    speaker = Speaker(rng, split)
    facts = speaker.facts(rng.choice((1, 2, 3)))
    said = speaker.change(rng.choice(facts)) if change else near_miss(rng, speaker, facts)
    ids = draw_ids(rng, len(facts))
    memories = [quoted.quote(one.sentence, i) for one, i in zip(facts, ids, strict=True)]
    return prompts.MANAGE.format(memory=quoted.join_memory(memories), fact=said.sentence)


@torch.no_grad()
def states(sampler: TinySampler, split: Split, count: int, seed: int) -> torch.Tensor:
    """(layers, count, size) before the decision; every second message is a change."""
    rng = random.Random(f"probe {split} {seed}")
    found = []
    for index in range(count):
        prompt = draw(rng, split, change=bool(index % 2))
        ids = torch.tensor([sampler.encode([{"role": "user", "content": prompt}])])
        hidden = sampler.model(ids, output_hidden_states=True).hidden_states
        found.append(torch.stack([layer[0, -1] for layer in hidden]))
    return torch.stack(found, 1)


def probe(fitted: torch.Tensor, asked: torch.Tensor) -> float:
    """The share of `asked` (count, size) that a probe of `fitted` tells rightly."""
    middle, spread = fitted.mean(0), fitted.std(0) + 1e-5
    fitted, asked = (fitted - middle) / spread, (asked - middle) / spread
    right = torch.arange(len(fitted)) % 2
    weight = torch.zeros(fitted.size(1), requires_grad=True)
    bias = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.Adam([weight, bias], lr=0.01, weight_decay=1e-3)
    for _ in range(600):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            fitted @ weight + bias, right.float()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    told = (asked @ weight + bias > 0).long()
    return float((told == torch.arange(len(asked)) % 2).float().mean())


def measure(weights: Path | None, seeds: int) -> dict[str, object]:
    """By layer (0: the embeddings) the mean over the seeds, and the least and the most."""
    sampler = Tiny().load(weights)
    sampler.model.eval()
    rounds = []
    for seed in range(seeds):
        fitted = states(sampler, "train", FITTED, seed)
        asked = states(sampler, "heldout", ASKED, seed)
        rounds.append([probe(a, b) for a, b in zip(fitted, asked, strict=True)])
    layers = [
        {"layer": i, "right": round(statistics.fmean(r), 3), "from": min(r), "to": max(r)}
        for i, r in enumerate(zip(*rounds, strict=True))
    ]
    return {"seeds": seeds, "fitted": FITTED, "asked": ASKED, "layers": layers}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, help="a folder of saved weights; else the shipped")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    print(json.dumps(measure(options.weights, options.seeds)))
