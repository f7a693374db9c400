"""The attention of LFM2 over packed rows: queries and keys are turned to their positions in fewer passes than
transformers takes for it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.lfm2.modeling_lfm2 import Lfm2Attention


class PackedAttention(Lfm2Attention):
    """Transformers' layer, the same but for how its result and gradients come about where rows are packed."""

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Any]:
        """(1, N, size) of a packed sequence, or of its tokens that ask; everything else goes transformers' way."""
        packed = kwargs.get("packed")
        if packed is None:
            whole: tuple[Tensor, Any] = super().forward(hidden_states, *args, **kwargs)
            return whole
        cos, sin = (part.unsqueeze(2) for part in kwargs["position_embeddings"])
        low, high = sin.chunk(2, -1)
        across = torch.cat([-low, high], -1)
        asking = hidden_states if packed.asking is None else hidden_states[:, packed.asking]
        given = (self.q_proj, asking), (self.k_proj, hidden_states), (self.v_proj, hidden_states)
        query, key, value = (
            layer(states).unflatten(-1, (-1, self.head_dim)) for layer, states in given
        )
        key = _Turned.apply(self.k_layernorm(key), cos, across)
        if packed.asking is not None:
            cos, across = cos[:, packed.asking], across[:, packed.asking]
        query = _Turned.apply(self.q_layernorm(query), cos, across)
        query, key, value = (part.transpose(1, 2) for part in (query, key, value))
        attend = ALL_ATTENTION_FUNCTIONS[self.config._attn_implementation]
        read, _ = attend(self, query, key, value, None, scaling=self.scaling, packed=packed)
        return self.out_proj(read.flatten(2)), None


def take_attention(model: nn.Module) -> None:
    """Exchanges the attention of a model; nothing changes for its other calls."""
    for module in model.modules():
        if type(module) is Lfm2Attention:
            module.__class__ = PackedAttention


class _Turned(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, across: Tensor) -> Tensor:
        """(1, N, heads, size): each number by its factor, and the one half a head away by its own."""
        ctx.save_for_backward(cos, across)
        return torch.addcmul(x * cos, x.roll(x.size(-1) // 2, -1), across)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Turned back."""
        cos, across = ctx.saved_tensors
        half = gradient.size(-1) // 2
        return torch.addcmul((gradient * across).roll(half, -1), gradient, cos), None, None
