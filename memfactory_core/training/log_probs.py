"""Log-probabilities of the distribution that was sampled from.

Where the sampling cut it (min-p), a token was drawn from the ids that were left, renormalised. The loss must follow
the same distribution: over the whole softmax, pushing a token up would also push down words that were never
candidates. The set of ids is fixed when the token is drawn, as the action set of a step is: it does not move with
the policy.
"""

from __future__ import annotations

import math

import torch


def kept_log_probs(
    logits_BCV: torch.Tensor, ids_BC: torch.Tensor, kept_BCK: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities (B, C) of the ids among the kept ones (-1 fills up; at least one is kept of each token),
    and the entropies (B, C) of what is kept. The logits are divided by the temperature already."""
    absent_BCK = kept_BCK < 0
    logits_BCK = logits_BCV.gather(-1, kept_BCK.clamp(min=0)).float()
    logps_BCK = logits_BCK.masked_fill(absent_BCK, -math.inf).log_softmax(-1)
    chosen_BC1 = ids_BC.unsqueeze(-1)
    # an id is kept once, so that the sum has one term
    logps_BC = logps_BCK.masked_fill(kept_BCK != chosen_BC1, 0.0).sum(-1)
    finite_BCK = logps_BCK.masked_fill(absent_BCK, 0.0)
    entropies_BC = -(logps_BCK.exp() * finite_BCK).sum(-1)
    return logps_BC, entropies_BC


def importance_ratio(
    trained_BC: torch.Tensor,
    sampled_BC: torch.Tensor,
    mask_BC: torch.Tensor,
    mode: str,
    low: float | None,
    high: float | None,
) -> torch.Tensor:
    """What a token's loss is multiplied by where another engine (vLLM) sampled than is trained: the ratio of their
    probabilities, of tokens (B, C) or sequences (B, 1), truncated to the bounds or set to 0 outside of them. TRL's
    `vllm_importance_sampling_mode` names both. Tokens whose log-probability is not known count as equal."""
    difference = torch.nan_to_num((trained_BC - sampled_BC) * mask_BC, nan=0.0)
    if mode.startswith("sequence"):
        difference = difference.sum(-1, keepdim=True)
    ratio = difference.exp()
    if mode.endswith("truncate"):
        return ratio.clamp(min=low, max=high)
    outside = (ratio < (-math.inf if low is None else low)) | (
        ratio > (math.inf if high is None else high)
    )
    return ratio.masked_fill(outside, 0.0)
