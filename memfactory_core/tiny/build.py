"""Builds the tiny policy from nothing: `python -m memfactory_core.tiny.build --out DIR --seed 0`.

Six stages in steps, not seconds, so that a seed gives the same weights again on the same machine: copy
segments of syllables, copy segments of any token, read, mature, imitate the ignorant teachers, and compare.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import Lfm2ForCausalLM, PreTrainedTokenizerFast

from memfactory_core.tiny import WEIGHTS, curriculum
from memfactory_core.tiny.model import make_model
from memfactory_core.tiny.skills import Turn
from memfactory_core.tiny.tokenizer import SPECIAL, make_tokenizer, syllables

BATCH = 32
RATE = 3e-3
"""Of AdamW, for embeddings, convolutions and norms."""
MATRIX_RATE = 0.02
"""Of Muon, for the matrices of the layers: in one run the second stage took under 175 steps, and
400 with AdamW alone."""
WARM_UP = 50
ENOUGH = 0.85
"""A stage ends early once this share is right, over its last 20 steps."""

Example = tuple[list[int], list[bool]]
"""Token ids, and which of them are learned."""


@dataclass(frozen=True)
class Plan:
    """The most steps that each stage may take; the last three always take all of theirs."""

    syllables: int = 300
    vocabulary: int = 400
    reading: int = 420
    maturing: int = 600
    teachers: int = 140
    comparing: int = 400


class Optimizer:
    """Muon for the matrices inside the layers and AdamW for all else, at one share of their
    rates."""

    def __init__(self, model: Lfm2ForCausalLM) -> None:
        matrices: list[torch.nn.Parameter] = []
        rest: list[torch.nn.Parameter] = []
        for name, weight in model.named_parameters():
            (matrices if weight.ndim == 2 and "layers" in name else rest).append(weight)
        self.parts = (
            (torch.optim.Muon(matrices, lr=MATRIX_RATE, weight_decay=0.01), MATRIX_RATE),
            (
                torch.optim.AdamW(rest, lr=RATE, betas=(0.9, 0.98), weight_decay=0.01, fused=True),
                RATE,
            ),
        )

    def step(self, share: float) -> None:
        """One step at `share` of the full rates; gradients are cleared."""
        for part, rate in self.parts:
            for group in part.param_groups:
                group["lr"] = rate * share
            part.step()
            part.zero_grad(set_to_none=True)


def encode_turns(tokenizer: PreTrainedTokenizerFast, examples: list[list[Turn]]) -> list[Example]:
    """Examples as tokens in the form of the chat template; completions and their ends are
    learned, but for what is given of them."""
    texts = [
        text
        for turns in examples
        for asked, said, given in turns
        for text in (asked, given, said.removeprefix(given))
    ]
    ids = iter(tokenizer(texts, split_special_tokens=True).input_ids)
    encoded = []
    for turns in examples:
        tokens, learned = [tokenizer.bos_token_id], [False]
        for _ in turns:
            asked, given, said = next(ids), next(ids), next(ids)
            tokens += [*asked, tokenizer.sep_token_id, *given, *said, tokenizer.eos_token_id]
            learned += [False] * (len(asked) + 1 + len(given)) + [True] * (len(said) + 1)
        encoded.append((tokens, learned))
    return encoded


def batches(draw: Callable[[int], list[Example]], rng: random.Random) -> Iterator[list[Example]]:
    """Endless batches of examples of about one length, so that little is padded."""
    while True:
        pool = sorted(draw(8 * BATCH), key=lambda example: len(example[0]))
        groups = [pool[i : i + BATCH] for i in range(0, len(pool), BATCH)]
        rng.shuffle(groups)
        yield from groups


def train_step(
    model: Lfm2ForCausalLM, optimizer: Optimizer, examples: list[Example], share: float
) -> tuple[float, float, int]:
    """One step of training. The loss per learned token, the share of learned runs (completions)
    that the model would go on with rightly after their first token, and the number of tokens."""
    width = max(len(tokens) for tokens, _ in examples)
    ids = torch.tensor([tokens + [0] * (width - len(tokens)) for tokens, _ in examples])
    learned = torch.tensor([mask + [False] * (width - len(mask)) for _, mask in examples])
    hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
    logits = model.lm_head(hidden[learned[:, 1:]])
    targets = ids[:, 1:][learned[:, 1:]]
    first = (learned[:, 1:] & ~learned[:, :-1])[learned[:, 1:]]
    loss = F.cross_entropy(logits, targets)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step(share)
    runs = first.cumsum(0) - 1
    missed = ((logits.argmax(-1) != targets) & ~first).float()
    wrong = torch.zeros(int(runs[-1]) + 1).index_add_(0, runs, missed)
    return loss.item(), (wrong == 0).float().mean().item(), ids.numel()


def build(
    out: Path,
    seed: int = 0,
    on_progress: Callable[[dict], None] | None = None,
    plan: Plan | None = None,
) -> dict:
    """Trains a tiny policy and saves it with its tokenizer under `out`. Returns steps and seconds
    per stage. `on_progress` gets stage, step, loss, share right and tokens per second every 25
    steps."""
    plan = plan or Plan()
    rng = random.Random(seed)
    tokenizer = make_tokenizer()
    model = make_model(tokenizer, seed).train()
    optimizer = Optimizer(model)
    forms = [form for part in syllables() for form in (part, part.capitalize())]
    vocabulary = tokenizer.get_vocab()
    few = rng.sample([vocabulary[form] for form in forms], 120)
    every = list(range(len(SPECIAL), len(tokenizer)))
    every += rng.choices(few, k=len(every))
    mark = vocabulary[". "]

    def turns(draw: Callable[[random.Random], list[Turn]]) -> Callable[[int], list[Example]]:
        return lambda count: encode_turns(tokenizer, [draw(rng) for _ in range(count)])

    def segments(ids: list[int]) -> Callable[[int], list[Example]]:
        return lambda count: [curriculum.random_segments(rng, ids, mark) for _ in range(count)]

    stages = (
        ("syllables", plan.syllables, segments(few)),
        ("vocabulary", plan.vocabulary, segments(every)),
        ("reading", plan.reading, turns(curriculum.practise)),
        ("maturing", plan.maturing, turns(curriculum.mature)),
        ("teachers", plan.teachers, turns(curriculum.demonstrate)),
        ("comparing", plan.comparing, turns(curriculum.compare)),
    )
    report: dict = {"seed": seed}
    done = 0
    for name, most, draw in stages:
        start, tokens = time.perf_counter(), 0
        recent: list[float] = []
        source = batches(draw, rng)
        for step in range(1, most + 1):
            done += 1
            strength = min(1.0, done / WARM_UP)
            if name == "maturing":
                strength = max(0.25, min(strength, (1 - step / most) / 0.5))
            if name == "teachers":
                strength = max(0.02, 0.4 * (1 - step / most))
            if name == "comparing":
                strength = 0.25 * max(0.08, min(1.0, 2 * (1 - step / most)))
            loss, right, count = train_step(model, optimizer, next(source), strength)
            tokens += count
            recent = [*recent[-19:], right]
            share = sum(recent) / len(recent)
            seconds = time.perf_counter() - start
            if on_progress and (step % 25 == 0 or step == most):
                speed = round(tokens / seconds)
                on_progress(
                    {"stage": name, "step": step, "loss": loss, "right": share, "speed": speed}
                )
            if (
                name in ("syllables", "vocabulary", "reading")
                and len(recent) == 20
                and share >= ENOUGH
            ):
                break
        report[name] = {"steps": step, "seconds": round(seconds, 1), "right": round(share, 3)}
    model.eval().save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "model.safetensors").chmod(0o644)
    return report


def main() -> None:
    """The command: build, then print what came out."""
    parser = argparse.ArgumentParser(description=build.__doc__)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    report = build(options.out, options.seed, lambda event: print(json.dumps(event), flush=True))
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
