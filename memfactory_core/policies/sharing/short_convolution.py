"""The short convolution of LFM2 over packed rows: each token reads the few tokens before it in its own row, which in a
packed sequence may stand anywhere."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.models.lfm2.modeling_lfm2 import Lfm2ShortConv

from memfactory_core.policies.sharing.packing import Packed, take


class PackedShortConv(Lfm2ShortConv):
    """Transformers' layer, which also takes `packed` with the model's call."""

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """(1, N, size) of a packed sequence; everything else goes transformers' way."""
        packed = kwargs.get("packed")
        if packed is None:
            whole: Tensor = super().forward(hidden_states, *args, **kwargs)
            return whole
        gate, out, part = self.in_proj(hidden_states).chunk(3, dim=-1)
        mixed: Tensor = self.out_proj(out * _convolve(packed, (gate * part)[0], self.conv)[None])
        return mixed


def take_packed_rows(model: nn.Module) -> None:
    """Lets the short convolutions of a model take packed rows; nothing changes for its other calls."""
    for module in model.modules():
        if type(module) is Lfm2ShortConv:
            module.__class__ = PackedShortConv


def _convolve(packed: Packed, signal_ND: Tensor, conv: nn.Conv1d) -> Tensor:
    """Each token's signal and those before it in its row, weighted, (N, D)."""
    width = conv.kernel_size[0]
    if width not in packed.windows:
        packed.windows[width] = [block.windows(width, len(signal_ND)) for block in packed.blocks]
    # before the first token of a row there is nothing
    padded = F.pad(signal_ND, (0, 0, 0, 1))
    parts = []
    for block, read_SWD in zip(packed.blocks, take(padded, packed.windows[width]), strict=True):
        mixed_SDL = F.conv1d(read_SWD.transpose(1, 2), conv.weight, conv.bias, groups=conv.groups)
        parts.append(mixed_SDL.transpose(1, 2)[block.real_SL])
    return torch.cat(parts)
