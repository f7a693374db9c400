"""What the tiny policy's forward pass keeps while completions are said: of each prompt once, and of each state what was
said since. A state is what all completions of a prompt share that have said the same so far.

Shapes: U prompts, S states in R rows of one prompt each, H heads, T tokens of a prompt, N of what was said, D the size
of a head.
"""

from __future__ import annotations

import torch
from torch import Tensor

ROOM = 16
"""For so many tokens there is room at first, and each time that it is full."""
FEW = 0.7
"""Prompts are let go once so large a share of them, or less, has a state left."""


class States:
    """Keys and values of attention layers, and the last signals of short convolutions. All states have said as many
    tokens; prompts end at the same column."""

    def __init__(self, lengths: list[int], most: int, device: torch.device) -> None:
        """One state for each prompt, of these lengths; at `most` so many states there will be."""
        self.most, self.said, self.room = most, 0, 0
        self.lengths_U = torch.tensor(lengths, device=device)
        columns = torch.arange(max(lengths), device=device)
        self.seen_UT = columns >= max(lengths) - self.lengths_U[:, None]
        self.prompts = list(range(len(lengths)))
        """The prompt of each state."""
        self.of_prompts: dict[int, list[Tensor]] = {}
        self.since: dict[int, list[Tensor]] = {}
        self.signals: dict[int, Tensor] = {}
        """By layer: (U, H, T, D) and (most, H, room, D), keys and values; (S, width - 1, size)."""
        self.of_rows: list[int] = []
        self.spread: dict[int, list[Tensor]] = {}
        self._group()

    @property
    def positions_S(self) -> Tensor:
        """Where the next token of each state stands."""
        return self.lengths_U[self.prompts] + self.said

    def keep(self, layer: int, keys_UHTD: Tensor, values_UHTD: Tensor) -> None:
        """Keeps what a layer read of the prompts."""
        self.of_prompts[layer] = [keys_UHTD.contiguous(), values_UHTD.contiguous()]
        _, heads, _, size = keys_UHTD.shape
        self.since[layer] = [keys_UHTD.new_empty(self.most, heads, 0, size) for _ in range(2)]

    def branch(self, parents: list[int]) -> list[int]:
        """Goes on from these states alone, from one as often as it is named; where each of them stands now. What a
        state has said is copied only where another takes its place, or a second one goes on from it."""
        if parents == list(range(len(self.prompts))):
            return parents
        free = set(range(len(parents)))
        stays = [parent for parent in dict.fromkeys(parents) if parent in free]
        free.difference_update(stays)
        left, others = set(stays), iter(sorted(free))
        moved = []
        for parent in parents:
            moved.append(parent if parent in left else next(others))
            left.discard(parent)
        origins = dict(zip(moved, parents, strict=True))
        order = [origins[place] for place in range(len(parents))]
        copied = [place for place, parent in enumerate(order) if place != parent]
        if copied:
            sources = [order[place] for place in copied]
            for part in [part for parts in self.since.values() for part in parts]:
                part[copied] = part[sources]
        order_S = torch.tensor(order, device=self.lengths_U.device)
        self.signals = {
            layer: part.index_select(0, order_S) for layer, part in self.signals.items()
        }
        self.prompts = [self.prompts[parent] for parent in order]
        self._group()
        return moved

    def _group(self) -> None:
        """States by their prompt: what is kept of it is read once for all of them."""
        groups: dict[int, list[int]] = {}
        for state, prompt in enumerate(self.prompts):
            groups.setdefault(prompt, []).append(state)
        if len(groups) <= FEW * self.lengths_U.size(0):
            alive = sorted(groups)
            self.of_prompts = {
                layer: [part[alive] for part in parts] for layer, parts in self.of_prompts.items()
            }
            self.lengths_U, self.seen_UT = self.lengths_U[alive], self.seen_UT[alive]
            self.of_rows = []
            again = {prompt: place for place, prompt in enumerate(alive)}
            self.prompts = [again[prompt] for prompt in self.prompts]
            groups = {again[prompt]: states for prompt, states in groups.items()}
        # a prompt with many more states than the others has several rows: padding stays below what is computed
        widest = min(
            max(map(len, groups.values())), -(-2 * len(self.prompts) // self.seen_UT.size(0))
        )
        rows: list[list[int]] = []
        of_rows: list[int] = []
        for prompt in range(self.seen_UT.size(0)):
            states = groups.get(prompt, [])
            rows += [states[i : i + widest] for i in range(0, max(1, len(states)), widest)]
            of_rows += [prompt] * (len(rows) - len(of_rows))
        if of_rows != self.of_rows:
            self.of_rows, self.spread = of_rows, {}
        places = [(0, 0)] * len(self.prompts)
        for row, states in enumerate(rows):
            for column, state in enumerate(states):
                places[state] = row, column
        device = self.lengths_U.device
        filled = [states + [0] * (widest - len(states)) for states in rows]
        self.groups_RM = torch.tensor(filled, device=device)
        self.rows_S, self.columns_S = torch.tensor(places, device=device).T

    def _read(self, layer: int) -> list[Tensor]:
        """The keys and values of each row's prompt, and which of its columns hold a token."""
        parts = [*self.of_prompts[layer], self.seen_UT]
        if len(self.of_rows) == self.seen_UT.size(0):
            return parts
        if layer not in self.spread:
            self.spread[layer] = [part[self.of_rows] for part in parts]
        return self.spread[layer]

    def attend(self, layer: int, query_SHD: Tensor, key_SHD: Tensor, value_SHD: Tensor) -> Tensor:
        """Keeps one token more of each state; what its query reads, (S, H * D)."""
        if self.said == self.room:
            self._grow()
        count, until = query_SHD.size(0), self.said + 1
        keys, values = self.since[layer]
        keys[:count, :, self.said], values[:count, :, self.said] = key_SHD, value_SHD
        of_keys, of_values, seen_RT = self._read(layer)
        query_SHD = query_SHD * query_SHD.size(-1) ** -0.5
        scores_RHMT = query_SHD[self.groups_RM].transpose(1, 2) @ of_keys.transpose(-1, -2)
        scores_RHMT.masked_fill_(~seen_RT[:, None, None], -torch.inf)
        scores_SHT = scores_RHMT[self.rows_S, :, self.columns_S]
        # a row times a matrix: a matrix times a column takes five times as long
        scores_SHN = (query_SHD[:, :, None] @ keys[:count, :, :until].transpose(-1, -2))[:, :, 0]
        shares = torch.cat([scores_SHT, scores_SHN], -1).softmax(-1)
        shares_SHT, shares_SHN = shares.split_with_sizes([scores_SHT.size(-1), until], -1)
        read_RHMD = shares_SHT[self.groups_RM].transpose(1, 2) @ of_values
        read_SHD = read_RHMD[self.rows_S, :, self.columns_S]
        read_SHD = read_SHD + (shares_SHN[..., None, :] @ values[:count, :, :until])[..., 0, :]
        return read_SHD.flatten(1)

    def _grow(self) -> None:
        """Room for some more tokens: all of it at once would be copied whenever a state moves."""
        self.room += ROOM
        for parts in self.since.values():
            for index, part in enumerate(parts):
                held = part.new_empty(self.most, part.size(1), self.room, part.size(3))
                held[: len(self.prompts), :, : self.said] = part[
                    : len(self.prompts), :, : self.said
                ]
                parts[index] = held
