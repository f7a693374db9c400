"""What the linear layers gave for the tokens that the sampler has read. The pass that learns asks for the same products
of the same weights: it takes them from here and multiplies on the way back alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import Lfm2ForCausalLM

from memfactory_core.tiny.linear import TinyLinear

ROOM = 2048
"""For so many tokens there is room at first, 21 KiB for each in the shipped shape."""
MOST = 32_768
"""A model that once reads more between two changes of its weights keeps nothing from then on."""
ROOT = -1
"""The node before the first token of a row."""


class Products:
    """Products of one state of the weights. A token that was read is a node, named by the node of the token before it;
    its products are a row of each buffer. One thread alone may read meanwhile."""

    def __init__(self, model: Lfm2ForCausalLM) -> None:
        """Of a model whose linear layers are `TinyLinear`."""
        self.model, self.room, self.full = model, ROOM, False
        self.buffers: dict[tuple[int, str], Tensor] = {}
        """By layer and part of it: (room, columns). Layers that are multiplied at once stand side by side."""
        self.forget()

    def forget(self) -> None:
        """Knows nothing; there is still room for as much."""
        self.weights: list[Tensor] = []
        self.nodes: dict[tuple[int, int], int] = {}
        """By the node before a token and the token."""
        self.rows: list[int] = []
        self.whole: set[int] = set()
        """Nodes that passed through the last layer too: of a prompt its end alone does."""
        self.first = self.count = 0

    def begin(self) -> None:
        """Forgets all, and takes the weights as they are for those of whatever is read from now on."""
        self.forget()
        self.weights = [weight.detach().clone() for weight in self.model.parameters()]

    def _fits(self) -> bool:
        """Whether it is of the weights as they are: number by number, for an optimizer may write to them without
        their version's knowing."""
        return bool(self.weights) and all(map(torch.equal, self.model.parameters(), self.weights))

    def enter_prompts(
        self, parents: Sequence[int], tokens: Sequence[int], ends: Sequence[int]
    ) -> list[int]:
        """The nodes of the `ends` of tokens that are about to be read at once. `parents` and `ends` are places among
        these (-1: no token is before it); only the ends are sure to pass through the last layer."""
        nodes: list[int] = []
        for row, (parent, token) in enumerate(zip(parents, tokens, strict=True), self.count):
            nodes.append(self._enter(nodes[parent] if parent >= 0 else ROOT, token, row))
        found = [nodes[end] for end in ends]
        self._complete(found, [self.count + end for end in ends])
        self.ends = torch.tensor(ends) + self.count
        self._take_room(len(tokens))
        return found

    def enter_tokens(self, before: Sequence[int], tokens: Sequence[int]) -> list[int]:
        """The nodes of tokens that are about to be read after these nodes."""
        rows = range(self.count, self.count + len(tokens))
        keys = zip(before, tokens, rows, strict=True)
        found = [self._enter(*key) for key in keys]
        self._complete(found, rows)
        self._take_room(len(tokens))
        return found

    def has_room(self, count: int) -> bool:
        """Whether so many tokens more are kept. Without the rest of its row no token is of use: once there is no room,
        all goes."""
        if not self.full and self.count + count > MOST:
            self.full = True
            self.forget()
            self.buffers = {}
        return not self.full

    def _enter(self, before: int, token: int, row: int) -> int:
        node = self.nodes.setdefault((before, token), len(self.rows))
        if node == len(self.rows):
            self.rows.append(row)
        return node

    def _complete(self, nodes: Sequence[int], rows: Sequence[int]) -> None:
        self.whole.update(nodes)
        for node, row in zip(nodes, rows, strict=True):
            self.rows[node] = row

    def _take_room(self, count: int) -> None:
        self.first, self.count = self.count, self.count + count
        while self.room < self.count:
            self.room *= 2

    def multiply(self, layer: int, part: str, x: Tensor, weight: Tensor, ends: bool) -> Tensor:
        """x (N, in) of the tokens last entered, or of their ends alone, by a weight (out, in); kept."""
        buffer = self.buffers.get((layer, part))
        if buffer is None or buffer.size(0) < self.room:
            # rows that nobody writes are multiplied by gradients of zero: they must be numbers
            grown = torch.zeros(self.room, len(weight), device=x.device, dtype=x.dtype)
            if buffer is not None:
                grown[: len(buffer)] = buffer
            buffer = self.buffers[layer, part] = grown
        if not ends:
            return torch.mm(x, weight.T, out=buffer[self.first : self.count])
        made = F.linear(x, weight)
        buffer[self.ends] = made
        return made

    @contextmanager
    def recall(
        self, tokens: Sequence[int], paths: Sequence[Sequence[int]], ends: Sequence[int], narrows: bool
    ) -> Iterator[None]:  # fmt: skip
        """While this lasts, the model takes the products of these tokens from here, if all of them are known for the
        weights as they are now. `paths` are the places of each row's tokens among them, `ends` those that must have
        passed through the last layer; where it `narrows`, it is asked of these alone but for keys and values."""
        found = self._find(tokens, paths, ends) if self._fits() else None
        if found is None:
            yield
            return
        rows = torch.tensor(found, device=self.weights[0].device)
        layers = self._layers()
        for key, modules in layers:
            widths = [module.out_features for module in modules]
            for module, part in zip(modules, self.buffers[key].split(widths, 1), strict=True):
                module.recalled = part, rows
        if narrows:
            last = self.model.model.layers[-1]
            mixer, feed = last.self_attn, last.feed_forward
            for module in (mixer.q_proj, mixer.out_proj, feed.w1, feed.w3, feed.w2):
                module.recalled = module.recalled[0], rows[ends]
        try:
            yield
        finally:
            for _, modules in layers:
                for module in modules:
                    module.recalled = None

    def _find(
        self, tokens: Sequence[int], paths: Sequence[Sequence[int]], ends: Sequence[int]
    ) -> list[int] | None:
        """The row of each token; None where one is not known."""
        nodes = [ROOT] * len(tokens)
        for path in paths:
            # what it has in common with rows before it is found already
            known = bisect_left(path, True, key=lambda place: nodes[place] == ROOT)
            node = nodes[path[known - 1]] if known else ROOT
            for place in path[known:]:
                node = nodes[place] = self.nodes.get((node, tokens[place]), ROOT)
                if node == ROOT:
                    return None
        if not self.whole.issuperset(nodes[place] for place in ends):
            return None
        return [self.rows[node] for node in nodes]

    def _layers(self) -> list[tuple[tuple[int, str], list[TinyLinear]]]:
        """By layer and part the layers whose products stand there side by side."""
        found: list[tuple[tuple[int, str], list[Any]]] = []
        for number, layer in enumerate(self.model.model.layers):
            feed = layer.feed_forward
            if layer.is_attention_layer:
                mixer = layer.self_attn
                first = [mixer.q_proj, mixer.k_proj, mixer.v_proj]
            else:
                mixer = layer.conv
                first = [mixer.in_proj]
            parts = {
                "in": first,
                "out": [mixer.out_proj],
                "wide": [feed.w1, feed.w3],
                "narrow": [feed.w2],
            }
            found += [((number, part), modules) for part, modules in parts.items()]
        return found
