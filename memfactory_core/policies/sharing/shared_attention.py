"""Attention over packed rows and over a growing memory of keys and values, for any model of transformers whose
attention is exchangeable, and the question for which models that is exact.

Both reach the layers as keyword arguments of the model's call (`packed`, `stream`); for its length the model's
attention is exchanged.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from memfactory_core.policies.sharing.kept_shares import can_keep, read_keeping
from memfactory_core.policies.sharing.lfm2_attention import PackedAttention, take_attention
from memfactory_core.policies.sharing.lfm2_layer import narrows_at_end, take_last_layer
from memfactory_core.policies.sharing.packing import Packed, pack, take
from memfactory_core.policies.sharing.short_convolution import take_packed_rows

NAME = "memfactory_shared"
"""What the attention is called among transformers' own."""
CELLS = 2**24
"""Queries times keys of a mask (64 MiB in float32): of a longer block so many are attended at once."""
_SCALED_ROPES = {"dynamic", "longrope"}
"""Rotations that depend on the length of the whole sequence, which a packed one has not."""

_WINDOWS = ("sliding_window", "attention_window", "window_size", "attention_chunk_size")
"""Settings of attention that sees the nearest tokens only: of their number a packed sequence knows nothing."""


class Stream:
    """Keys and values of rows that are continued token by token: one place a step, prompts end at the same place.
    `seen_RT` says which places of a row hold a token."""

    def __init__(self, packed: Packed, room: int) -> None:
        """From what a packed pass over the prompts recorded, with room for `room` more tokens."""
        assert packed.record
        device = packed.ids_1N.device
        self.now = max(map(len, packed.places))
        self.lengths_R = torch.tensor([len(path) for path in packed.places], device=device)
        places_RT = torch.zeros(len(packed.places), self.now, dtype=torch.long)
        for row, path in enumerate(packed.places):
            places_RT[row, self.now - len(path) :] = torch.tensor(path)
        places_RT = places_RT.to(device)
        total = self.now + room
        pads_R1 = self.now - self.lengths_R[:, None]
        self.seen_RT = torch.arange(total, device=device) >= pads_R1
        self.layers: list[list[Tensor]] = []
        recorded_first = packed.record[::-1]
        packed.record.clear()
        while (
            recorded_first
        ):  # a layer's packed keys and values are let go once they are spread over the rows
            recorded = recorded_first.pop()
            whole = []
            for part in recorded:
                _, heads, size = part.shape
                held = part.new_zeros(len(places_RT), heads, total, size)
                held[:, :, : self.now] = part[places_RT].transpose(1, 2)
                whole.append(held)
            self.layers.append(whole)

    def keep(self, rows: Tensor) -> None:
        """Goes on with these rows only."""
        for layer in self.layers:
            for index, part in enumerate(layer):
                layer[index] = part[rows]
        self.seen_RT, self.lengths_R = self.seen_RT[rows], self.lengths_R[rows]

    def advance(self) -> None:
        """The next token of each row stands one place further."""
        self.now += 1
        self.lengths_R = self.lengths_R + 1


def _attend(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
    scaling: float | None = None, dropout: float = 0.0, packed: Packed | None = None,
    stream: Stream | None = None, **_: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    """Attention as transformers exchanges it: over a packed sequence (1, heads, N, size), or one token more of each row
    of a stream (rows, heads, 1, size)."""
    if stream is not None:
        return _attend_stream(module.layer_idx, query, key, value, scaling, stream), None
    assert packed is not None
    query_NHD, key_NKD, value_NKD = (part[0].transpose(0, 1) for part in (query, key, value))
    if packed.record is not None:
        packed.record.append((key_NKD.contiguous(), value_NKD.contiguous()))
    if _learns_in_short(module, query_NHD) and not dropout and can_keep(packed, query_NHD.size(1)):
        factor = query_NHD.size(-1) ** -0.5 if scaling is None else scaling
        return read_keeping(query_NHD, key_NKD, value_NKD, packed, factor)[None], None
    keys, queries = [b.keys_ST for b in packed.blocks], [b.queries_SL for b in packed.blocks]
    taken = zip(take(query_NHD, queries), take(key_NKD, keys), take(value_NKD, keys), strict=True)
    outputs = [
        _attend_block(packed, index, *parts, scaling, dropout) for index, parts in enumerate(taken)
    ]
    return torch.cat(outputs)[None], None


def _learns_in_short(module: Any, query: Tensor) -> bool:
    """Whether shares may be kept for the way back: on a processor, by LFM2, of whose layers few attend."""
    whole = query.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return (
        whole
        and query.device.type == "cpu"
        and isinstance(module, PackedAttention)
        and torch.is_grad_enabled()
    )


def _attend_block(
    packed: Packed, index: int, query_SLHD: Tensor, key_STKD: Tensor, value_STKD: Tensor,
    scaling: float | None, dropout: float,
) -> Tensor:  # fmt: skip
    """What the segments of the block of this index read, (their tokens, heads, size)."""
    block = packed.blocks[index]
    count, length = block.queries_SL.shape
    heads, size = key_STKD.shape[2:]
    keys_SKTD, values_SKTD = key_STKD.transpose(1, 2), value_STKD.transpose(1, 2)
    asked = query_SLHD.view(count, length, heads, -1, size)
    groups = asked.size(3)
    at_once = max(1, CELLS // (block.keys_ST.numel() * groups))
    parts = []
    for first in range(0, length, at_once):
        last = min(first + at_once, length)
        until = block.until(last)
        # the queries that share a key head stand beneath each other: no key is copied for them
        part = asked[:, first:last].permute(0, 2, 3, 1, 4).reshape(count, heads, -1, size)
        read = F.scaled_dot_product_attention(
            part, keys_SKTD[:, :, :until], values_SKTD[:, :, :until], scale=scaling, dropout_p=dropout,
            attn_mask=_bias(packed, index, first, last, query_SLHD.dtype, groups),
        )  # fmt: skip
        read = read.view(count, heads, groups, last - first, value_STKD.size(-1))
        parts.append(read.permute(0, 3, 1, 2, 4))
    return torch.cat(parts, dim=1).flatten(2, 3)[block.real_SL]


def _bias(
    packed: Packed, index: int, first: int, last: int, dtype: torch.dtype, groups: int
) -> Tensor:
    """The mask of a block's queries, added to the scores. It is made once for all layers where it is small or a
    backward pass would keep one for each of them."""
    wanted = index, first, dtype
    if wanted in packed.biases:
        return packed.biases[wanted]
    seen_SLT = packed.blocks[index].see(first, last)
    bias = torch.zeros(seen_SLT.shape, dtype=dtype, device=seen_SLT.device)
    bias = bias.masked_fill_(~seen_SLT, -math.inf).repeat(1, groups, 1)[:, None]
    if (
        torch.is_grad_enabled()
        or bias.numel() + sum(b.numel() for b in packed.biases.values()) <= CELLS
    ):
        packed.biases[wanted] = bias
    return bias


def _attend_stream(
    layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float | None, stream: Stream
) -> Tensor:
    """One token of each row, (rows, 1, heads, size)."""
    keys_RKTD, values_RKTD = stream.layers[layer]
    keys_RKTD[:, :, stream.now], values_RKTD[:, :, stream.now] = key[:, :, 0], value[:, :, 0]
    until = stream.now + 1
    rows, heads, size = len(keys_RKTD), keys_RKTD.size(1), values_RKTD.size(-1)
    read = F.scaled_dot_product_attention(
        query[:, :, 0].view(rows, heads, -1, query.size(-1)),
        keys_RKTD[:, :, :until],
        values_RKTD[:, :, :until],
        attn_mask=stream.seen_RT[:, None, None, :until],
        scale=scaling,
    )
    return read.reshape(rows, 1, -1, size)


ALL_ATTENTION_FUNCTIONS.register(NAME, _attend)


@contextmanager
def shared_attention(model: Any) -> Iterator[None]:
    """While this lasts, the model takes `packed` or `stream` with its call, and of a packed sequence its backbone
    returns the scored places alone. It may stand inside of itself; nobody else may use the model meanwhile."""
    model = without_adapters(model)
    config = model.config.get_text_config()
    before = config._attn_implementation
    if before == NAME:
        yield
        return
    config._attn_implementation, model.own_attention = NAME, before
    if not can_stream(model):
        take_packed_rows(model)
        take_attention(model)
        take_last_layer(model)
    hook = model.base_model.register_forward_hook(_keep_scored, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()
        config._attn_implementation = before


@contextmanager
def own_attention(model: Any) -> Iterator[None]:
    """Within `shared_attention`: the model's own again, for calls that are neither packed nor streamed."""
    model = without_adapters(model)
    config = model.config.get_text_config()
    within = config._attn_implementation
    config._attn_implementation = model.own_attention if within == NAME else within
    try:
        yield
    finally:
        config._attn_implementation = within


def _keep_scored(module: Any, args: Any, kwargs: dict[str, Any], output: Any) -> Any:
    packed = kwargs.get("packed")
    if packed is not None and packed.scored is not None:
        scored = packed.end.scored if narrows_at_end(module) else packed.scored
        output.last_hidden_state = output.last_hidden_state[:, scored]
    return output


def without_adapters(model: Any) -> Any:
    """The transformers model itself, in which PEFT has put its layers."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def can_share(model: Any) -> bool:
    """Whether packed rows are exact for a model: attention over all tokens before, exchangeable, with rotations by
    position, or LFM2's short convolutions; no experts (whose balance counts tokens) and one text model; tried out on
    two rows."""
    config = model.config.get_text_config()
    settings = config.to_dict()
    windowed = settings.get("use_sliding_window", True)
    known = (
        getattr(model, "_supports_attention_backend", False)
        and config is model.config
        and set(settings.get("layer_types") or ["full_attention"]) <= {"full_attention", "conv"}
        and not any(settings.get(name) and windowed for name in _WINDOWS)
        and not any("expert" in name and value for name, value in settings.items())
        and not settings.get("attn_logit_softcapping")
        and _rotates_by_position(settings.get("rope_parameters") or {})
    )
    return known and _agrees(model)


def _rotates_by_position(ropes: dict[str, Any]) -> bool:
    """Whether there are rotations (of all layers, or by kind of layer) and none is scaled by the length."""
    kinds = [ropes, *(value for value in ropes.values() if isinstance(value, dict))]
    return bool(ropes) and not any(kind.get("rope_type") in _SCALED_ROPES for kind in kinds)


def can_stream(model: Any) -> bool:
    """Whether rows of a model that can share are continued token by token: a `Stream` holds keys and values alone."""
    return "conv" not in (model.config.to_dict().get("layer_types") or ())


@torch.no_grad()
def read_ends(model: Any, packed: Packed) -> Tensor:
    """The logits after the last token of each row, (rows, V); to be called within `shared_attention`."""
    ends = [path[-1] for path in packed.places]
    packed.scored = torch.tensor(ends, device=packed.ids_1N.device)
    return read_scored(model, packed)


def read_scored(model: Any, packed: Packed) -> Tensor:
    """The logits at the scored places (at all where none are named), (places, V); to be called within
    `shared_attention`."""
    logits: Tensor = model(
        input_ids=packed.ids_1N, position_ids=packed.positions_1N, packed=packed, use_cache=False
    ).logits[0]
    return logits


def _agrees(model: Any) -> bool:
    """Whether two rows with a common beginning have the same logits packed and apart."""
    size, device = model.config.get_text_config().vocab_size, model.device
    beginning = [i % size for i in range(1, 13)]
    rows = [[*beginning, 2 % size, 3 % size, 4 % size], [*beginning, 5 % size, 6 % size, 7 % size]]
    packed = pack(rows, device)
    training = model.training
    model.eval()
    try:
        with own_attention(model):
            ids = torch.tensor(rows, device=device)
            plain = model(input_ids=ids, use_cache=False).logits[:, -1]
        with shared_attention(model):
            shared = read_ends(model, packed)
    finally:
        model.train(training)
    difference = (plain.float() - shared.float()).abs().max()
    return bool(difference <= 0.05 * plain.float().std() + 1e-3)
