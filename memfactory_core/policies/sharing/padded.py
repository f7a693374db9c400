"""Generation by transformers' `model.generate`, padded on the left: for models whose prompts cannot be packed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers import LogitsProcessorList, StoppingCriteriaList

from memfactory_core.policies.copying import Guide
from memfactory_core.policies.sharing.shared_attention import own_attention

UNCUT = {
    "top_k": 0, "top_p": 1.0, "min_p": 0.0, "typical_p": 1.0, "epsilon_cutoff": 0.0, "eta_cutoff": 0.0,
}  # fmt: skip
"""Many models' own generation settings cut the distribution or punish repetition (Qwen does both). What is recorded
and trained is the plain softmax at the temperature, so that is what must be drawn from."""


def decode_padded(
    model: Any, prompts: list[list[int]], max_tokens: int, temperature: float, pad: int,
    guide: Guide | None = None, go_on: Callable[[list[int]], bool] | None = None,
) -> list[tuple[list[int], list[float], list[list[int]] | None]]:  # fmt: skip
    """For each prompt the new ids, which may go on after an end token, their log-probabilities under the distribution
    that they were drawn from, and the ids that it was cut to (None: all). `go_on` is told the first sequence after
    each token and ends all where it says False."""
    width = max(map(len, prompts))
    ids = torch.tensor([[pad] * (width - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    # a causal class has it; the class that they share declares none
    generate: Any = model.generate
    sampling = {"temperature": temperature, **UNCUT} if temperature else {}

    def asking(sequences: Any, _scores: Any, **_: Any) -> Any:
        stop = go_on is not None and not go_on(sequences[0, width:].tolist())
        return torch.full((len(sequences),), stop, dtype=torch.bool, device=sequences.device)

    def take(sequences: Any) -> None:
        for row, said in enumerate(sequences[:, width:].tolist()):
            if guide and said:
                guide.take(row, said[-1])

    def hold(sequences: Any, scores: Any) -> Any:
        take(sequences)
        return guide.mask(scores, range(len(scores))) if guide else scores

    with torch.no_grad(), own_attention(model):
        output = generate(
            input_ids=ids.to(model.device),
            attention_mask=mask.to(model.device),
            do_sample=temperature > 0,
            max_new_tokens=max_tokens,
            pad_token_id=pad,
            return_dict_in_generate=True,
            output_logits=True,
            repetition_penalty=1.0,
            no_repeat_ngram_size=0,
            logits_processor=LogitsProcessorList([hold] if guide else []),
            stopping_criteria=StoppingCriteriaList([asking] if go_on else []),
            **sampling,
        )
    take(output.sequences)  # the last token, which nothing follows
    new = output.sequences[:, width:]
    scaled = torch.stack(output.logits, dim=1).float() / (temperature or 1.0)
    logps = scaled.log_softmax(-1).gather(-1, new.unsqueeze(-1)).squeeze(-1)
    kept = [guide.kept(row) if guide else None for row in range(len(new))]
    for row, sets in enumerate(kept):
        for place, allowed in enumerate(sets or ()):
            chosen = scaled[row, place, new[row, place]]
            logps[row, place] = chosen - scaled[row, place, allowed].logsumexp(-1)
    rows = zip(new, logps, kept, strict=True)
    return [(row.tolist(), logp.tolist(), sets) for row, logp, sets in rows]
