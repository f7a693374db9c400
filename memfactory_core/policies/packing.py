"""Rows of tokens as one sequence in which what several rows begin with stands once.

The attempts of a group share their first prompt, and all prompts of a role their instructions: most tokens of a step.
A causal model sees the same before each of them, so that computing them once is exact. The packed tokens form a tree
of segments; a segment's tokens see their own and those of the segments on the way to the root. Everything in a model
but attention works on single tokens, so that no padding passes through it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

LEAST_SHARED = 8
"""Tokens that rows must have in common for a segment of their own."""
WASTE = 1.5
"""Segments share a block of attention as long as padding makes none of them more than this much longer."""


@dataclass(frozen=True)
class Segment:
    """Tokens that one or several rows have, and how many of these rows' tokens stand before them; `before` are the
    segments on the way from the root."""

    tokens: Sequence[int]
    before: tuple[Segment, ...]

    @property
    def start(self) -> int:
        """The position of the first token."""
        return sum(len(segment.tokens) for segment in self.before)


@dataclass(frozen=True)
class Block:
    """Segments of similar length that are attended together. `queries_SL` and `keys_ST` are places in the packed
    sequence (0 where padded), `real_SL` says which queries there are, `seen_SLT` which keys each of them sees."""

    queries_SL: Tensor
    keys_ST: Tensor
    real_SL: Tensor
    seen_SLT: Tensor


@dataclass
class Packed:
    """The packed sequence: ids and positions (1, N), the blocks in the order of its tokens, and for each row the
    places of its tokens. `scored` are the places whose hidden states are wanted (None: all); where `record` is a
    list, each layer leaves its keys and values (N, heads, size) there."""

    ids_1N: Tensor
    positions_1N: Tensor
    blocks: list[Block]
    places: list[list[int]]
    scored: Tensor | None = None
    record: list[tuple[Tensor, Tensor]] | None = None
    biases: dict[tuple[int, torch.dtype, int], Tensor] = field(default_factory=dict)


def pack(rows: Sequence[Sequence[int]], device: torch.device | str = "cpu") -> Packed:
    """Packs rows of at least one token. ValueError where one is empty."""
    if not rows or min(map(len, rows)) == 0:
        raise ValueError("pack: a row has no token")
    ends = _find_segments(rows)
    segments = {id(s): s for end in ends for s in (*end.before, end)}
    # a segment's place in the sequence is its block's, so that what blocks return needs only to be joined
    ordered = sorted(segments.values(), key=lambda s: (len(s.tokens), s.start))
    groups: list[list[Segment]] = []
    for segment in ordered:
        if groups and len(segment.tokens) <= WASTE * len(groups[-1][0].tokens):
            groups[-1].append(segment)
        else:
            groups.append([segment])
    first: dict[int, int] = {}
    count = 0
    for segment in ordered:
        first[id(segment)] = count
        count += len(segment.tokens)
    ids = [token for segment in ordered for token in segment.tokens]
    positions = [s.start + i for s in ordered for i in range(len(s.tokens))]
    return Packed(
        torch.tensor([ids], device=device),
        torch.tensor([positions], device=device),
        [_make_block(group, first, device) for group in groups],
        [_find_places(end, first) for end in ends],
    )


def _find_segments(rows: Sequence[Sequence[int]]) -> list[Segment]:
    """For each row the segment that it ends with."""
    ends: dict[int, Segment] = {}
    # rows that agree on the segments before a depth
    open_groups: list[tuple[list[int], int, tuple[Segment, ...]]] = [
        (list(range(len(rows))), 0, ())
    ]
    while open_groups:
        members, depth, before = open_groups.pop()
        by_token: dict[int, list[int]] = {}
        for row in members:
            by_token.setdefault(rows[row][depth], []).append(row)
        for same in by_token.values():
            end = _agree([rows[row] for row in same], depth)
            whole = all(len(rows[row]) == end for row in same)
            if end - depth < LEAST_SHARED and not whole:
                for row in same:
                    ends[row] = Segment(rows[row][depth:], before)
                continue
            segment = Segment(rows[same[0]][depth:end], before)
            ends |= {row: segment for row in same if len(rows[row]) == end}
            longer = [row for row in same if len(rows[row]) > end]
            if longer:
                open_groups.append((longer, end, (*before, segment)))
    return [ends[row] for row in range(len(rows))]


def _agree(rows: Sequence[Sequence[int]], depth: int) -> int:
    """Up to where all rows have the same tokens, from a depth on up to which they do."""
    low, high = min(rows), max(rows)  # of sorted rows the outer two differ most
    most = min(map(len, rows))
    end = depth
    while end < most and low[end] == high[end]:
        end += 1
    return end


def _find_places(segment: Segment, first: dict[int, int]) -> list[int]:
    parts = (*segment.before, segment)
    return [first[id(part)] + i for part in parts for i in range(len(part.tokens))]


def _make_block(
    segments: list[Segment], first: dict[int, int], device: torch.device | str
) -> Block:
    keys = [_find_places(segment, first) for segment in segments]
    longest, most = max(len(s.tokens) for s in segments), max(map(len, keys))
    queries_SL = torch.zeros(len(segments), longest, dtype=torch.long)
    keys_ST = torch.zeros(len(segments), most, dtype=torch.long)
    for row, (segment, path) in enumerate(zip(segments, keys, strict=True)):
        queries_SL[row, : len(segment.tokens)] = torch.tensor(path[segment.start :])
        keys_ST[row, : len(path)] = torch.tensor(path)
    lengths_S = torch.tensor([len(segment.tokens) for segment in segments])
    starts_S = torch.tensor([segment.start for segment in segments])
    places_L, places_T = torch.arange(longest), torch.arange(most)
    # a padded query sees the keys of the last real one: without any its row would be no number
    last_SL = starts_S[:, None] + torch.minimum(places_L, lengths_S[:, None] - 1)
    return Block(
        queries_SL.to(device),
        keys_ST.to(device),
        (places_L < lengths_S[:, None]).to(device),
        (places_T <= last_SL[:, :, None]).to(device),
    )
