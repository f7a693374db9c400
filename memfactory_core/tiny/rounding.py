"""Matrix products of float32 on a processor with their factors rounded to bfloat16, which it multiplies several times
as fast where it has instructions for them (AMX, AVX512-BF16); sums stay in float32, and so does all else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_ROUNDED = "bf16"
_onednn: Any = torch.backends.mkldnn  # its types leave `matmul` out


def is_rounded() -> bool:
    """Whether factors are rounded at present."""
    return bool(_onednn.matmul.fp32_precision == _ROUNDED)


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
