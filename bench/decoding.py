"""Decoding of texts that were said before: what a run pays for them, whatever would be drawn this time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from memfactory_core.tiny.products import Products
from memfactory_core.tiny.reader import Reader
from memfactory_core.tiny.sampler import draw
from memfactory_core.types import Completion


@torch.inference_mode()
def say_again(
    sampler: Any,
    said: Sequence[Completion],
    temperature: float,
    apart: bool = False,
    products: Products | None = None,
) -> None:
    """Decodes the prompts of these completions to the same texts, in one batch: a token is drawn, then the one that
    was said is read. `apart`, completions that say the same are read each by itself; their prompts never are."""
    if not said:
        return
    prompts = [tuple(one.prompt_ids or ()) for one in said]
    texts = [one.completion_ids or () for one in said]
    unique = {prompt: place for place, prompt in enumerate(dict.fromkeys(prompts))}
    reader = Reader(sampler.model, list(unique), len(prompts), products)
    logits, step = reader.read_prompts(), 0
    states = {row: unique[prompt] for row, prompt in enumerate(prompts)}
    while True:
        places = torch.tensor([*states.values()])
        draw((logits / temperature).log_softmax(-1), places, sampler.random)
        going = [row for row in states if step + 1 < len(texts[row])]
        if not going:
            return
        keys = {row: (states[row], row if apart else texts[row][step]) for row in going}
        tokens = {key: texts[row][step] for row, key in keys.items()}
        moved = dict(zip(tokens, reader.branch([state for state, _ in tokens]), strict=True))
        states = {row: moved[key] for row, key in keys.items()}
        said_by = {moved[key]: token for key, token in tokens.items()}
        logits = reader.read_token([said_by[state] for state in range(len(said_by))])
        step += 1
