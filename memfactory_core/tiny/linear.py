"""The linear layers of the tiny policy while it learns: their products may be known already, from its own sampling
(`products.py`), and gradients may come from factors rounded to bfloat16, which some processors multiply several times
as fast (AVX512-BF16, AMX).

The forward pass is left whole: what is learned from is the policy that drew. Where it was rounded as well, the
log-probabilities of rare tokens were off by up to .3, and of five seeds one came to write in words of its own.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

ROWS = 256
"""Rounded factors have a multiple of so many rows: for each shape that is multiplied first, the processor's library
makes code and keeps it (a fifth of a millisecond and a MiB), and no two steps have as many tokens."""
Recalled = tuple[Tensor, Tensor]
"""Products (room, out) and which of their rows belong to the tokens at hand (N,)."""


class TinyLinear(nn.Linear):
    """A linear layer, the same but for how its products and gradients come about."""

    rounds = False
    """Whether gradients are products of rounded factors, with sums in float32 that are rounded once."""
    recalled: Recalled | None = None
    """Its products without the bias, where they need not be computed."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., out), whole."""
        rounds = self.rounds and x.device.type == "cpu" and torch.is_grad_enabled()
        if not rounds and self.recalled is None:
            return super().forward(x)
        made: Tensor = _Product.apply(x, self.weight, self.recalled, rounds)
        return made if self.bias is None else made + self.bias


def take_products(model: nn.Module, rounds: bool) -> None:
    """Lets the linear layers of a model take products that are known, and round on the way back if they shall; what
    they compute stays as it is."""
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = TinyLinear
        if isinstance(module, TinyLinear):
            module.rounds = rounds


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, recalled: Recalled | None, rounds: bool
    ) -> Tensor:
        """Keeps the factors; rounded ones are half as large."""
        ctx.rounds = rounds
        ctx.save_for_backward(*((_round(x), weight.bfloat16()) if rounds else (x, weight)))
        if recalled is None:
            return F.linear(x, weight)
        products, rows = recalled
        return products.index_select(0, rows).view(*x.shape[:-1], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """By the factors as they were kept, and the gradient likewise."""
        x, weight = ctx.saved_tensors
        count = gradient.numel() // gradient.size(-1)
        near = _round(gradient) if ctx.rounds else gradient.flatten(0, -2)
        of_weight = near.T @ x.reshape(len(near), -1)
        of_x = (near @ weight)[:count].to(gradient.dtype).view(*gradient.shape[:-1], -1)
        return of_x, of_weight.to(gradient.dtype), None, None


def _round(x: Tensor) -> Tensor:
    """In bfloat16 (rows, columns), with as many rows of zeros behind as make them a multiple of `ROWS`."""
    rows = x.flatten(0, -2)
    given = rows.size(0)
    count = -(-given // ROWS) * ROWS
    made = rows.new_empty(count, rows.size(1), dtype=torch.bfloat16)
    made[:given] = rows
    made[given:] = 0
    return made
