"""The short convolution of LFM2 over packed rows: each token reads the few tokens before it in its own row, which in a
packed sequence may stand anywhere."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers.models.lfm2.modeling_lfm2 import Lfm2ShortConv

from memfactory_core.policies.sharing.packing import Block, Packed, take_rows, with_nothing


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
        count = len(signal_ND)
        packed.windows[width] = [_Windows(block, width, count) for block in packed.blocks]
    taps_WD = conv.weight[:, 0].T.to(signal_ND.dtype)
    mixed: Tensor = _Mixed.apply(signal_ND, taps_WD, packed.windows[width])
    return mixed if conv.bias is None else mixed + conv.bias.to(mixed.dtype)


class _Windows:
    """What the tokens of a block read: the places of each segment's tokens with those before them, (S, W - 1 + L), one
    behind the last where there is none; the segment's own, likewise; and which of these there are, (tokens,)."""

    def __init__(self, block: Block, width: int, count: int) -> None:
        self.read_SX = block.windows(width, count)
        self.own_SL = block.queries_SL.masked_fill(~block.real_SL, count)
        self.real = block.real_SL.flatten().nonzero()[:, 0]


class _Mixed(torch.autograd.Function):
    """A tap at a time over whole segments, in float32: in `F.conv1d` each number of a token stands by itself."""

    @staticmethod
    def forward(ctx: Any, signal_ND: Tensor, taps_WD: Tensor, windows: list[_Windows]) -> Tensor:
        """(N, D)."""
        ctx.windows = windows
        padded = with_nothing(signal_ND)
        read_SXD = [take_rows(padded, window.read_SX) for window in windows]
        ctx.save_for_backward(taps_WD, *read_SXD)
        parts = []
        taps = taps_WD.float()
        for window, read in zip(windows, map(Tensor.float, read_SXD), strict=True):
            length = window.own_SL.size(1)
            mixed = read[:, :length] * taps[0]
            for first, tap in enumerate(taps[1:], 1):
                mixed.addcmul_(read[:, first : first + length], tap)
            parts.append(mixed.flatten(0, 1).index_select(0, window.real))
        return torch.cat(parts).to(signal_ND.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """To each token from those that read it."""
        taps_WD, *read_SXD = ctx.saved_tensors
        before, taps = len(taps_WD) - 1, taps_WD.float()
        padded = with_nothing(gradient.float())
        of_taps = torch.zeros_like(taps)
        own, earlier = [], []
        for window, read in zip(ctx.windows, map(Tensor.float, read_SXD), strict=True):
            length = window.own_SL.size(1)
            of_mixed = take_rows(padded, window.own_SL)
            of_read = torch.zeros_like(read)
            for first, tap in enumerate(taps):
                part = slice(first, first + length)
                of_read[:, part].addcmul_(of_mixed, tap)
                of_taps[first] += (of_mixed * read[:, part]).sum((0, 1))
            own.append(of_read[:, before:].flatten(0, 1).index_select(0, window.real))
            earlier.append(of_read[:, :before].flatten(0, 1))
        of_signal = with_nothing(torch.cat(own))
        places = torch.cat([window.read_SX[:, :before].flatten() for window in ctx.windows])
        of_signal.index_add_(0, places, torch.cat(earlier))
        return of_signal[:-1].to(gradient.dtype), of_taps.to(taps_WD.dtype), None
