"""Generation that reads what prompts share once and keeps no logits but the last.

Prompts are packed (`packing.py`), their keys and values are handed to the rows, and these go on token by token; rows
that have ended leave the batch. The log-probability of a token is noted when it is drawn. The same text as
`model.generate` gives, where `can_share` says that packing is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
from torch import Tensor

from memfactory_core.policies.copying import Guide
from memfactory_core.policies.sharing.packing import pack
from memfactory_core.policies.sharing.shared_attention import Stream, read_ends, shared_attention

LEFT = 0.8
"""Where this share of the rows or less goes on, the others leave the batch."""


@torch.no_grad()
def decode(
    model: Any, prompts: Sequence[Sequence[int]], max_tokens: int, temperature: float, ends: Collection[int],
    guide: Guide | None = None, go_on: Callable[[list[int]], bool] | None = None,
) -> list[tuple[list[int], list[float]]]:  # fmt: skip
    """One sequence of new ids for each prompt with their log-probabilities, an end token among them only where it
    was drawn. Temperature 0 is greedy; otherwise torch's generator of the model's device draws, from what `guide`
    allows. `model` is without PEFT's wrapping; nobody else may use it meanwhile. `go_on` is told the first sequence
    after each token and ends all where it says False."""
    said: list[tuple[list[int], list[float]]] = [([], []) for _ in prompts]
    if not prompts or max_tokens < 1:
        return said
    packed = pack(prompts, model.device)
    packed.record = []
    with shared_attention(model):
        logits_RV = read_ends(model, packed)
        stream = Stream(packed, max_tokens - 1)
        alive, ended = list(range(len(prompts))), [False] * len(prompts)
        for step in range(max_tokens):
            logits_RV = logits_RV.float()
            if guide is not None:
                logits_RV = guide.mask(logits_RV, alive)
            chosen_R, logps_R = _draw(logits_RV, temperature)
            for row, token, logp in zip(alive, chosen_R.tolist(), logps_R.tolist(), strict=True):
                if not ended[row]:
                    said[row][0].append(token)
                    said[row][1].append(logp)
                    if guide is not None:
                        guide.take(row, token)
                    ended[row] = token in ends
            left = [place for place, row in enumerate(alive) if not ended[row]]
            stopped = go_on is not None and not go_on(said[0][0])
            if stopped or not left or step + 1 == max_tokens:
                break
            if len(left) <= LEFT * len(alive):
                alive = [alive[place] for place in left]
                kept = torch.tensor(left, device=model.device)
                stream.keep(kept)
                chosen_R = chosen_R[kept]
            logits_RV = model(
                input_ids=chosen_R[:, None], position_ids=stream.lengths_R[:, None], stream=stream,
                use_cache=False, logits_to_keep=1,
            ).logits[:, -1]  # fmt: skip
            stream.advance()
    return said


def _draw(logits_RV: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """The next token of each row and its log-probability at the temperature (greedy: at 1)."""
    logps_RV = (logits_RV / (temperature or 1.0)).log_softmax(-1)
    if temperature:
        chosen_R = torch.multinomial(logps_RV.exp(), 1)[:, 0]
    else:
        chosen_R = logps_RV.argmax(-1)
    return chosen_R, logps_RV.gather(1, chosen_R[:, None])[:, 0]
