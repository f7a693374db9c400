"""Matrix products of float32 on a processor with their factors rounded to bfloat16, which it multiplies several times
as fast where it has instructions for them (AMX); sums stay in float32, and so does all else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_ROUNDED = "bf16"
SLIP = 1e-3
"""Products of 128 factors of at most 1 that differ by less are of another order of sums, not of rounded factors."""
_onednn: Any = torch.backends.mkldnn  # its types leave `matmul` out


def is_rounded() -> bool:
    """Whether factors are rounded at present."""
    return bool(_onednn.matmul.fp32_precision == _ROUNDED)


@cache
def can_round() -> bool:
    """Whether asking for it changes a product on this processor. It is tried out, for instructions alone do not tell:
    with AVX512-BF16 and without AMX, PyTorch 2.13 takes the factors whole."""
    factor = torch.linspace(-1.0, 1.0, 512 * 128).view(512, 128)
    with rounded(False):
        whole = factor @ factor.T
    with rounded():
        asked = factor @ factor.T
    return bool((asked - whole).abs().max() > SLIP)


@contextmanager
def rounded(wanted: bool = True) -> Iterator[None]:
    """While this lasts, factors are rounded, or not; for the whole process."""
    before = _onednn.matmul.fp32_precision
    _onednn.matmul.fp32_precision = _ROUNDED if wanted else "ieee"
    try:
        yield
    finally:
        _onednn.matmul.fp32_precision = before


def attend(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float | None = None,
    dropout: float = 0.0,
) -> Tensor:  # fmt: skip
    """Attention (..., L, size) as PyTorch's; `mask` is added to the scores or says which count. It is written out where
    the processor's fused kernel is slower: for single queries, and where factors are rounded."""
    plain = is_rounded() or query.size(-2) == 1
    whole = query.device.type == "cpu" and query.dtype == torch.float32
    if not plain or not whole or dropout:
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, scale=scale, dropout_p=dropout
        )
    scores = (query * (scale or query.size(-1) ** -0.5)) @ key.transpose(-1, -2)
    seen = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    return seen.softmax(-1) @ value
