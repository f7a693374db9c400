"""Matrix products of float32 on a processor with their factors rounded to bfloat16, which it multiplies several times
as fast where it has instructions for them (AVX512-BF16, AMX). Sums are made in float32 and rounded once, as mixed
precision does; weights, gradients and all else stay in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_ROUNDS = ContextVar("rounds", default=False)


def is_rounded() -> bool:
    """Whether factors are rounded at present."""
    return _ROUNDS.get()


@contextmanager
def rounded(wanted: bool = True) -> Iterator[None]:
    """While this lasts, factors are rounded, or not, in this thread."""
    before = _ROUNDS.set(wanted)
    try:
        yield
    finally:
        _ROUNDS.reset(before)


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`x` (..., in) times the transposed `weight` (out, in), and a bias: PyTorch's linear, rounded where that is asked
    for, forward and on the way back."""
    if not is_rounded():
        return F.linear(x, weight, bias)
    made: Tensor = _Rounded.apply(x, weight)
    return made if bias is None else made + bias


class RoundedLinear(nn.Linear):
    """A linear layer by `product`."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., out)"""
        return product(x, self.weight, self.bias)


def let_round(model: nn.Module) -> None:
    """Lets the linear layers of a model round where that is asked for; nothing changes elsewhere."""
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = RoundedLinear


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        """Keeps the rounded factors, which are half as large."""
        near, near_weight = x.bfloat16(), weight.bfloat16()
        ctx.save_for_backward(near, near_weight)
        return F.linear(near, near_weight).float()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """By the rounded factors and gradient."""
        x, weight = ctx.saved_tensors
        near = gradient.bfloat16()
        of_weight = near.flatten(0, -2).T @ x.flatten(0, -2)
        return (near @ weight).float(), of_weight.float()
