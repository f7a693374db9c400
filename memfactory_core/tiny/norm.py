"""Norms by the root mean square in fewer passes than transformers and `F.rms_norm` take on a processor."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers.models.lfm2.modeling_lfm2 import Lfm2RMSNorm


class Norm:
    """A norm whose result nobody needs a gradient of."""

    def __init__(self, weight: Tensor, eps: float) -> None:
        """`weight` (..., size)."""
        self.scale = weight * weight.size(-1) ** 0.5
        self.floor = weight.new_tensor((weight.size(-1) * eps) ** 0.5)

    def __call__(self, x: Tensor) -> Tensor:
        """(..., size), of x likewise."""
        return x / _length(x, self.floor) * self.scale


class TinyNorm(Lfm2RMSNorm):
    """Transformers' norm, the same but for how its result and gradients come about."""

    def forward(self, hidden_states: Tensor) -> Tensor:
        """(..., size)."""
        if hidden_states.dtype != torch.float32:
            whole: Tensor = super().forward(hidden_states)
            return whole
        made: Tensor = _Normed.apply(hidden_states, self.weight, self.variance_epsilon)
        return made


def take_norms(model: nn.Module) -> None:
    """Exchanges the norms of a model; what they compute stays as it is."""
    for module in model.modules():
        if type(module) is Lfm2RMSNorm:
            module.__class__ = TinyNorm


def _length(x: Tensor, floor: Tensor) -> Tensor:
    """The root of the sum of squares of x and of the floor, (..., 1)."""
    return torch.hypot(torch.linalg.vector_norm(x, dim=-1, keepdim=True), floor)


class _Normed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        """Keeps x at unit root mean square, and what it was divided by."""
        size = x.size(-1)
        mean = _length(x, x.new_tensor((size * eps) ** 0.5)).mul_(size**-0.5)
        unit = x / mean
        ctx.save_for_backward(unit, mean, weight)
        return unit * weight

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """Of x: what stands across it."""
        unit, mean, weight = ctx.saved_tensors
        of_weight = (gradient * unit).reshape(-1, unit.size(-1)).sum(0)
        across = gradient * weight
        along = torch.linalg.vecdot(across, unit).unsqueeze(-1).mul_(1 / unit.size(-1))
        return torch.addcmul(across, unit, along, value=-1).div_(mean), of_weight, None
