"""A fast sampler for the tiny policy over its own forward pass (`reader.py`): completions of one prompt are one row of
the model for as long as they say the same, and those that have ended leave it. Same results as `model.generate`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import Lfm2ForCausalLM

from memfactory_core.tiny.products import Products
from memfactory_core.tiny.reader import Reader


@dataclass(frozen=True)
class Sampled:
    """One completion. `ids` end with the end token only where it was sampled, and `finished` says
    so; `logprobs` are of these ids under the distribution they were drawn from (greedy: the plain
    softmax of what might be said). `kept` are the ids that each token was drawn from; None where all were."""

    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finished: bool = False
    kept: list[list[int]] | None = None


class Guide(Protocol):
    """Holds rows to what they may say (policies/copying.py)."""

    def mask(self, logits_RV: Tensor, rows: Sequence[int]) -> Tensor:
        """The logits of these rows with what may not be said at minus infinity."""

    def take(self, row: int, token: int) -> None:
        """Is told what a row has said."""

    def kept(self, row: int) -> list[list[int]] | None:
        """The ids that each token of a row could be; None where it could be any."""


@torch.inference_mode()
def generate(
    model: Lfm2ForCausalLM,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int | Sequence[int],
    temperature: float = 1.0,
    min_p: float = 0.0,
    eos_id: int,
    generator: torch.Generator | None = None,
    guide: Guide | None = None,
    go_on: Callable[[list[int]], bool] | None = None,
    products: Products | None = None,
) -> list[Sampled]:
    """One completion per prompt, in order, of at most `max_new_tokens` (for all, or one for each) and as far as the
    model's positions go. `temperature` 0 is greedy; otherwise the logits are divided by it, tokens less likely than
    `min_p` times the likeliest are cut off and the rest is drawn from as a distribution of its own; what `guide` does
    not allow is cut off first. `go_on` is told the first completion's ids after each token and ends all where it says
    False. What the linear layers give is kept in `products`, if there are any: of the weights as they are.
    ValueError for an empty prompt or for one that leaves no position."""
    if not prompts:
        return []
    keys = [tuple(prompt) for prompt in prompts]
    unique = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    if min(map(len, unique)) == 0:
        raise ValueError("generate: a prompt is empty; start it with the <bos> token")
    longest, positions = max(map(len, unique)), model.config.max_position_embeddings
    if longest >= positions:
        raise ValueError(
            f"generate: a prompt of {longest} tokens leaves no room in the {positions} positions of this model; "
            "shorten the memory or the text"
        )
    most = [max_new_tokens] * len(keys) if isinstance(max_new_tokens, int) else max_new_tokens
    limits = [min(one, positions - len(key)) for one, key in zip(most, keys, strict=True)]
    reader = Reader(model, list(unique), len(keys), products)
    logits = reader.read_prompts()

    ids: list[list[int]] = [[] for _ in keys]
    logprobs: list[list[float]] = [[] for _ in keys]
    cuts = min_p > 0 and temperature > 0
    kept: list[list[list[int]]] = [[] for _ in keys]
    finished = [False] * len(keys)
    # completions that are not yet finished, and of each the state that it has with all that have said the same so far
    alive, states = list(range(len(keys))), [unique[key] for key in keys]
    while True:
        own = states
        if guide is not None:
            own = list(range(len(alive)))
            logits = guide.mask(logits[states], alive)
        scores = F.log_softmax(logits if temperature == 0 else logits / temperature, -1)
        if cuts:
            stay = scores >= scores.max(-1, keepdim=True).values + math.log(min_p)
            scores = F.log_softmax(scores.masked_fill(~stay, -math.inf), -1)
            sets = [
                part.tolist() for part in torch.split(stay.nonzero()[:, 1], stay.sum(-1).tolist())
            ]
        places = torch.tensor(own, device=scores.device)
        if temperature == 0:
            chosen = scores.argmax(-1)[places]
        else:
            chosen = draw(scores, places, generator)
        picked = scores[places, chosen].tolist()
        branches: dict[tuple[int, int], int] = {}
        going, following = [], []
        for row, state, place, token, score in zip(
            alive, states, own, chosen.tolist(), picked, strict=True
        ):
            ids[row].append(token)
            logprobs[row].append(score)
            if cuts:
                kept[row].append(list(sets[place]))
            if guide is not None:
                guide.take(row, token)
            finished[row] = token == eos_id
            if not finished[row] and len(ids[row]) < limits[row]:
                going.append(row)
                following.append(branches.setdefault((state, token), len(branches)))
        stopped = go_on is not None and not go_on(ids[0])
        if stopped or not going:
            break
        moved = reader.branch([state for state, _ in branches])
        alive, states = going, [moved[branch] for branch in following]
        said = {moved[branch]: token for (_, token), branch in branches.items()}
        logits = reader.read_token([said[state] for state in range(len(said))])
    held = [guide.kept(row) if guide else None for row in range(len(keys))]
    return [
        Sampled(ids=drawn, logprobs=scored, finished=ended, kept=sets)
        for drawn, scored, ended, sets in zip(
            ids, logprobs, finished, kept if cuts else held, strict=True
        )
    ]


def draw(scores: Tensor, places: Tensor, generator: torch.Generator | None) -> Tensor:
    """A token for each place among rows of log-probabilities: the first up to which the chances add up to more than
    an evenly drawn number, so that one of chance 0 is never drawn. `torch.multinomial` draws one for every token."""
    sums = scores.exp().cumsum(-1)
    device = sums.device if generator is None else generator.device
    drawn = torch.rand(places.size(0), 1, generator=generator, device=device).to(sums.device)
    total = sums[:, -1:]
    if not bool((total > 0).all() and total.isfinite().all()):
        raise ValueError("generate: nothing is left to draw, or the model's logits are no numbers")
    most = total[places]
    below = torch.minimum(drawn * most, torch.nextafter(most, torch.zeros_like(most)))
    return torch.searchsorted(sums[places], below, right=True)[:, 0]
