"""Rows of tokens as one sequence in which what several rows begin with stands once.

The attempts of a group share their first prompt, and all prompts of a role their instructions: most tokens of a step.
A causal model sees the same before each of them, so that computing them once is exact. The packed tokens form a tree
of segments; a segment's tokens see their own and those of the segments on the way to the root. Everything in a model
but attention and short convolutions works on single tokens, so that no padding passes through it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

LEAST_SHARED = 4
"""Tokens that rows must have in common for a segment of their own."""
WASTE = 1.5
"""Segments share a block of attention as long as padding makes none of them more than this much longer."""
BLOCK_KEYS = 32_768
"""Keys of a block, padding included: what attention copies at once, however many rows there are."""


@dataclass(frozen=True)
class Segment:
    """Tokens that one or several rows have, and how many of these rows' tokens stand before them; `before` are the
    segments on the way from the root."""

    tokens: Sequence[int]
    before: tuple[Segment, ...]

    @cached_property
    def start(self) -> int:
        """The position of the first token."""
        return sum(len(segment.tokens) for segment in self.before)


@dataclass(frozen=True)
class Block:
    """Segments of similar length that are attended together. `queries_SL` and `keys_ST` are places in the packed
    sequence (0 where padded), `real_SL` says which queries there are, `starts_S` and `lengths_S` where the segments
    begin in their rows and how many tokens they have."""

    queries_SL: Tensor
    keys_ST: Tensor
    real_SL: Tensor
    starts_S: Tensor
    lengths_S: Tensor
    furthest: int
    """The largest of `starts_S`."""

    def see(self, first: int, last: int) -> Tensor:
        """Which keys the queries from `first` to before `last` of each segment see, (S, queries, keys) up to the last
        key that any of them sees. A padded query sees what the last real one does: without any key its row would be
        no number."""
        places_L = torch.arange(first, last, device=self.keys_ST.device)
        last_SL = self.starts_S[:, None] + torch.minimum(places_L, self.lengths_S[:, None] - 1)
        places_T = torch.arange(self.until(last), device=self.keys_ST.device)
        return places_T <= last_SL[:, :, None]

    def windows(self, width: int, nothing: int) -> Tensor:
        """The places of each segment's tokens with the `width` - 1 before them, (S, width - 1 + L); `nothing` stands
        where a row has no token yet."""
        columns_SB = self.starts_S[:, None] + torch.arange(
            1 - width, 0, device=self.starts_S.device
        )
        before_SB = self.keys_ST.gather(1, columns_SB.clamp(min=0))
        return torch.cat([before_SB.masked_fill(columns_SB < 0, nothing), self.queries_SL], dim=1)

    def until(self, last: int) -> int:
        """How many keys the queries before `last` see at most."""
        return min(self.keys_ST.size(1), self.furthest + last)

    def narrow(self, wanted_N: Tensor, first: int) -> tuple[Block, Tensor] | None:
        """The block in which a segment's tokens ask from the first wanted one on, counted from `first` on, and their
        places in the packed sequence; None where none is wanted."""
        wanted_SL = wanted_N[self.queries_SL] & self.real_SL
        some = wanted_SL.any(1).nonzero()[:, 0]
        if not len(some):
            return None
        skipped_S = wanted_SL[some].int().argmax(1)
        lengths_S = self.lengths_S[some] - skipped_S
        columns = torch.arange(int(lengths_S.max()), device=some.device)
        real_SL = columns < lengths_S[:, None]
        within_SL = (skipped_S[:, None] + columns).clamp(max=self.queries_SL.size(1) - 1)
        places = self.queries_SL[some].gather(1, within_SL)[real_SL]
        queries_SL = torch.zeros_like(within_SL)
        queries_SL[real_SL] = torch.arange(first, first + len(places), device=some.device)
        starts_S = self.starts_S[some] + skipped_S
        furthest = int(starts_S.max())
        block = Block(queries_SL, self.keys_ST[some], real_SL, starts_S, lengths_S, furthest)
        return block, places


@dataclass
class Packed:
    """The packed sequence: ids and positions (1, N), the blocks in the order of its tokens, and for each row the
    places of its tokens. `scored` are the places whose hidden states are wanted (None: all); where `record` is a
    list, each layer leaves its keys and values (N, heads, size) there. `asking` are the places of the tokens that ask
    for what all hold (None: all); the queries of the blocks are counted among these. `biases`, `windows` and `heads`
    are made once for all layers: masks by block, by width what a short convolution reads, and where heads stand."""

    ids_1N: Tensor
    positions_1N: Tensor
    blocks: list[Block]
    places: list[list[int]]
    scored: Tensor | None = None
    record: list[tuple[Tensor, Tensor]] | None = None
    asking: Tensor | None = None
    biases: dict[tuple[int, int, torch.dtype], Tensor] = field(default_factory=dict)
    windows: dict[int, list[Any]] = field(default_factory=dict)
    heads: dict[tuple[int, int], list[Any]] = field(default_factory=dict)

    @cached_property
    def end(self) -> Packed:
        """The sequence as a last layer may take it: the tokens of each segment ask from the first scored one on, those
        before them are only read; `scored` are counted among the asking. To be taken once what is scored is known."""
        assert self.scored is not None
        wanted_N = torch.zeros_like(self.ids_1N[0], dtype=torch.bool)
        wanted_N[self.scored] = True
        blocks: list[Block] = []
        asking: list[Tensor] = []
        for block in self.blocks:
            if narrowed := block.narrow(wanted_N, sum(map(len, asking))):
                blocks.append(narrowed[0])
                asking.append(narrowed[1])
        places = torch.cat(asking)
        among_N = torch.zeros_like(self.ids_1N[0])
        among_N[places] = torch.arange(len(places), device=places.device)
        return Packed(
            self.ids_1N, self.positions_1N, blocks, self.places, among_N[self.scored], asking=places
        )  # fmt: skip


def with_nothing(values: Tensor) -> Tensor:
    """With a row of zeros behind the last (rows + 1, size): what is read where there is no token."""
    return torch.cat([values, values.new_zeros(1, values.size(1))])


def take_rows(values: Tensor, places: Tensor) -> Tensor:
    """Of values (rows, size) those at places of any shape, (*places, size)."""
    return values.index_select(0, places.flatten()).view(*places.shape, values.size(1))


def take(values: Tensor, places: Sequence[Tensor]) -> Iterator[Tensor]:
    """Of packed values (N, ...) those at the places of each block, (S, L, ...). Where a gradient is wanted, of all
    blocks at once: on the way back each block of its own would fill and add a gradient of the whole sequence."""
    if not torch.is_grad_enabled():
        yield from (values[one] for one in places)
        return
    whole = values.index_select(0, torch.cat([one.flatten() for one in places]))
    sizes = [one.numel() for one in places]
    for one, part in zip(places, whole.split(sizes), strict=True):
        yield part.view(*one.shape, *values.shape[1:])


def pack(rows: Sequence[Sequence[int]], device: torch.device | str = "cpu") -> Packed:
    """Packs rows of at least one token. ValueError where one is empty."""
    if not rows or min(map(len, rows)) == 0:
        raise ValueError("pack: a row has no token")
    ends = _find_segments(rows)
    segments = {id(s): s for end in ends for s in (*end.before, end)}
    # a segment's place in the sequence is its block's, so that what blocks return needs only to be joined
    ordered = sorted(segments.values(), key=lambda s: (len(s.tokens), s.start))
    groups: list[list[Segment]] = []
    widest = 0
    for segment in ordered:
        end = segment.start + len(segment.tokens)
        if groups and _fits(segment, groups[-1], widest := max(widest, end)):
            groups[-1].append(segment)
        else:
            groups.append([segment])
            widest = end
    first: dict[int, int] = {}
    count = 0
    for segment in ordered:
        first[id(segment)] = count
        count += len(segment.tokens)
    ids = [token for segment in ordered for token in segment.tokens]
    positions: list[int] = []
    for segment in ordered:
        positions += range(segment.start, segment.start + len(segment.tokens))
    return Packed(
        torch.tensor([ids], device=device),
        torch.tensor([positions], device=device),
        [_make_block(group, first, device) for group in groups],
        [_find_places(end, first) for end in ends],
    )


def _fits(segment: Segment, group: list[Segment], widest: int) -> bool:
    """Whether a segment may join a block, in which the longest row would then have `widest` tokens."""
    similar = len(segment.tokens) <= WASTE * len(group[0].tokens)
    return similar and (len(group) + 1) * widest <= BLOCK_KEYS


def _find_segments(rows: Sequence[Sequence[int]]) -> list[Segment]:
    """For each row the segment that it ends with."""
    ends: dict[int, Segment] = {}
    # rows that agree on the segments before `start`, and from there up to `agreed`
    open_groups: list[tuple[list[int], int, int, tuple[Segment, ...]]] = [
        (list(range(len(rows))), 0, 0, ())
    ]
    while open_groups:
        members, start, agreed, before = open_groups.pop()
        by_token: dict[int, list[int]] = {}
        for row in members:
            by_token.setdefault(rows[row][agreed], []).append(row)
        for same in by_token.values():
            end = _agree([rows[row] for row in same], agreed)
            over = [row for row in same if len(rows[row]) == end]
            longer = [row for row in same if len(rows[row]) > end]
            segment = Segment(rows[same[0]][start:end], before)
            ends |= dict.fromkeys(over, segment)
            if longer and end - start < LEAST_SHARED:
                # too little for a segment of its own: some of these rows may agree on more
                open_groups.append((longer, start, end, before))
            elif longer:
                open_groups.append((longer, end, end, (*before, segment)))
    return [ends[row] for row in range(len(rows))]


def _agree(rows: Sequence[Sequence[int]], depth: int) -> int:
    """Up to where all rows have the same tokens, from a depth on up to which they do."""
    low, high = (
        min(map(list, rows)),
        max(map(list, rows)),
    )  # of sorted rows the outer two differ most
    most = min(map(len, rows))
    end = depth
    while end < most and low[end] == high[end]:
        end += 1
    return end


def _find_places(segment: Segment, first: dict[int, int]) -> list[int]:
    places: list[int] = []
    for part in (*segment.before, segment):
        places += range(first[id(part)], first[id(part)] + len(part.tokens))
    return places


def _make_block(
    segments: list[Segment], first: dict[int, int], device: torch.device | str
) -> Block:
    keys = [_find_places(segment, first) for segment in segments]
    longest, most = max(len(s.tokens) for s in segments), max(map(len, keys))
    # one tensor of padded lists: one for each segment would take longer than all else here
    queries = [path[segment.start :] for segment, path in zip(segments, keys, strict=True)]
    queries_SL = torch.tensor([path + [0] * (longest - len(path)) for path in queries])
    keys_ST = torch.tensor([path + [0] * (most - len(path)) for path in keys])
    lengths_S = torch.tensor([len(segment.tokens) for segment in segments])
    starts_S = torch.tensor([segment.start for segment in segments])
    return Block(
        queries_SL.to(device),
        keys_ST.to(device),
        (torch.arange(longest) < lengths_S[:, None]).to(device),
        starts_S.to(device),
        lengths_S.to(device),
        int(starts_S.max()),
    )
