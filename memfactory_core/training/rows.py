"""The pieces of a batch, each without needless padding.

An optimizer step learns from many turns of very different length, in several pieces. TRL pads all of them to
the longest and mixes them; here rows of one length come together and each piece is as wide as its own longest
row. The loss is a sum over the rows of all pieces, so that only the time changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

Piece = dict[str, Any]
"""What TRL's loss reads: prompt_ids and prompt_mask (rows, P) padded on the left; completion_ids, completion_mask
and log-probabilities (rows, C) padded on the right; advantages (rows,); scalars."""


def by_length(pieces: Sequence[Piece]) -> list[Piece]:
    """The same rows in as many pieces of as many rows, sorted by length and without the columns that are padding
    in all rows of a piece."""
    rows = [len(piece["prompt_mask"]) for piece in pieces]
    whole = {
        name: torch.cat([piece[name] for piece in pieces]) if _has_rows(value) else value
        for name, value in pieces[0].items()
    }
    lengths = whole["prompt_mask"].sum(1) + whole["completion_mask"].sum(1)
    order = torch.argsort(lengths, stable=True)
    parts = torch.split(order, rows)
    return [_trim({n: v[part] if _has_rows(v) else v for n, v in whole.items()}) for part in parts]


def _has_rows(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.ndim > 0


def _trim(piece: Piece) -> Piece:
    prompt = max(1, int(piece["prompt_mask"].sum(1).max()))
    said = max(1, int(piece["completion_mask"].sum(1).max()))
    return {
        name: value
        if not _has_rows(value) or value.ndim == 1
        else value[:, -prompt:]
        if name.startswith("prompt")
        else value[:, :said]
        for name, value in piece.items()
    }
