"""Attention over packed rows that keeps its shares for the way back. `F.scaled_dot_product_attention` makes them anew
and takes, on a processor, several times as long for it where segments are short, as those of a small policy are.

Shapes: N tokens (of queries those that ask), H heads of queries, K of keys, G = H / K, D the size of a head; of a block
S segments of L queries and T keys.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from memfactory_core.policies.sharing.packing import Block, Packed, take_rows, with_nothing

MOST = 2**22
"""So many shares of a layer are kept (16 MiB); of more, none is."""


def can_keep(packed: Packed, heads: int) -> bool:
    """Whether there are few enough."""
    cells = [block.queries_SL.numel() * block.keys_ST.size(1) for block in packed.blocks]
    return sum(cells) * heads <= MOST


def read_keeping(
    query_NHD: Tensor, key_NKD: Tensor, value_NKD: Tensor, packed: Packed, scale: float
) -> Tensor:
    """What each token reads, (N, H, D)."""
    read: Tensor = _Read.apply(query_NHD, key_NKD, value_NKD, packed, scale)
    return read


class _Heads:
    """Where the heads of a block's queries and keys stand among those of all tokens, (S, K, G * L) and (S, K, T), and
    which keys are hidden from which queries. Padded queries stand one behind the last."""

    def __init__(self, block: Block, count: int, heads: int, groups: int) -> None:
        device, length = block.keys_ST.device, block.queries_SL.size(1)
        own_KG = torch.arange(heads * groups, device=device).view(heads, groups)
        places_SL = block.queries_SL * heads * groups
        queries_SKGL = places_SL[:, None, None] + own_KG[..., None]
        behind = count * heads * groups
        queries_SKGL = queries_SKGL.masked_fill(~block.real_SL[:, None, None], behind)
        self.queries_SKM = queries_SKGL.flatten(2)
        keys_ST = block.keys_ST[:, : block.until(length)] * heads
        self.keys_SKT = keys_ST[:, None] + torch.arange(heads, device=device)[:, None]
        self.hidden_S1MT = ~block.see(0, length).repeat(1, groups, 1)[:, None]


def _heads_of(packed: Packed, count: int, heads: int, groups: int) -> list[_Heads]:
    """Made once for all layers in which so many tokens ask."""
    found = packed.heads.get((heads, groups))
    if found is None:
        found = [_Heads(block, count, heads, groups) for block in packed.blocks]
        packed.heads[heads, groups] = found
    return found


class _Read(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query_NHD: Tensor, key_NKD: Tensor, value_NKD: Tensor, packed: Packed, scale: float
    ) -> Tensor:  # fmt: skip
        """Of each block at once."""
        heads = key_NKD.size(1)
        ctx.blocks = _heads_of(packed, len(query_NHD), heads, query_NHD.size(1) // heads)
        ctx.scale, ctx.shapes = scale, (query_NHD.shape, key_NKD.shape)
        query = with_nothing(query_NHD.flatten(0, 1) * scale)
        key, value = (part.flatten(0, 1) for part in (key_NKD, value_NKD))
        made, shares = torch.empty_like(query), []
        for block in ctx.blocks:
            asked = take_rows(query, block.queries_SKM)
            keys, values = (take_rows(part, block.keys_SKT) for part in (key, value))
            scores = (asked @ keys.mT).masked_fill_(block.hidden_S1MT, -torch.inf)
            share = scores.softmax(-1)
            made[block.queries_SKM] = share @ values
            shares.append(share)
        ctx.save_for_backward(query, key, value, *shares)
        return made[:-1].view_as(query_NHD)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        """Through the shares as they were kept."""
        query, key, value, *shares = ctx.saved_tensors
        of_read, of_query = with_nothing(gradient.flatten(0, 1)), torch.empty_like(query)
        of_key, of_value = torch.zeros_like(key), torch.zeros_like(value)
        for block, share in zip(ctx.blocks, shares, strict=True):
            asked, of_made = (take_rows(part, block.queries_SKM) for part in (query, of_read))
            keys, values = (take_rows(part, block.keys_SKT) for part in (key, value))
            of_share = of_made @ values.mT
            along = torch.linalg.vecdot(of_share, share).unsqueeze(-1)
            of_scores = of_share.sub_(along).mul_(share)
            of_query[block.queries_SKM] = of_scores @ keys
            places = block.keys_SKT.flatten()
            of_key.index_add_(0, places, (of_scores.mT @ asked).flatten(0, 2))
            of_value.index_add_(0, places, (share.mT @ of_made).flatten(0, 2))
        shape, other = ctx.shapes
        of_query = of_query[:-1].mul_(ctx.scale)
        return of_query.view(shape), of_key.view(other), of_value.view(other), None, None
