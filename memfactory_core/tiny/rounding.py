"""Gradients from factors rounded to bfloat16, which some processors multiply several times as fast (AVX512-BF16, AMX).

The forward pass is left whole: what is learned from is the policy that drew. Where it was rounded as well, the
log-probabilities of rare tokens were off by up to .3, and of five seeds one came to write in words of its own.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RoundedLinear(nn.Linear):
    """A linear layer whose gradients are products of rounded factors, with sums in float32 that are rounded once."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., out), whole."""
        if x.device.type != "cpu" or not torch.is_grad_enabled():
            return super().forward(x)
        made: Tensor = _Rounded.apply(x, self.weight)
        return made if self.bias is None else made + self.bias


def round_gradients(model: nn.Module) -> None:
    """Lets the linear layers of a model round on the way back; what they compute stays as it is. A head that is read
    by its weights alone, as TRL's fused one is, rounds nothing."""
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = RoundedLinear


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        """Keeps the rounded factors, which are half as large."""
        ctx.save_for_backward(x.bfloat16(), weight.bfloat16())
        return F.linear(x, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """By the rounded factors and gradient."""
        x, weight = ctx.saved_tensors
        near = gradient.bfloat16()
        of_weight = near.reshape(-1, near.size(-1)).T @ x.reshape(-1, x.size(-1))
        return (near @ weight).float(), of_weight.float()
