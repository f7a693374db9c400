"""GRPO's objective in plain numbers, token by token as the trainer's loss has it (arXiv 2402.03300; the mean over all
tokens of a step is DAPO's, arXiv 2503.14476). For lessons and tests; training itself runs in TRL."""

from __future__ import annotations

from collections.abc import Sequence


def clipped_gain(ratio: float, advantage: float, clip: float) -> float:
    """What one token adds to the objective: min(ratio x A, clip(ratio) x A). `ratio` is the token's probability now
    divided by that with which it was drawn; beyond 1 ± `clip` a change in the wanted direction adds nothing more."""
    bounded = min(max(ratio, 1.0 - clip), 1.0 + clip)
    return min(ratio * advantage, bounded * advantage)


def group_loss(
    advantages_G: Sequence[float], ratios_G: Sequence[float], tokens_G: Sequence[int], clip: float
) -> float:
    """The loss of one group whose attempts wrote `tokens_G` tokens, all tokens of an attempt at one ratio: minus the
    mean gain of a token."""
    gains = [
        tokens * clipped_gain(ratio, advantage, clip)
        for advantage, ratio, tokens in zip(advantages_G, ratios_G, tokens_G, strict=True)
    ]
    return 0.0 - sum(gains) / max(1, sum(tokens_G))
