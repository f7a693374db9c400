"""The tiny policy's forward pass by hand, over the weights of the Hugging Face module: prompts at once, then token by
token. What prompts begin with alike is read once, and completions that have said the same share one state.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import Lfm2ForCausalLM

from memfactory_core.tiny.products import Products
from memfactory_core.tiny.states import States


class Tree:
    """The tokens of prompts, each once that several of them have with the same tokens before it: their `ids` and
    `positions`, a row and a column where each stands, and in `parents` the place of the token before it (-1: none).
    `paths` (rows, columns) say which token stands where, prompts ending at the last column; before a prompt stands its
    first token."""

    def __init__(self, prompts: list[tuple[int, ...]], width: int, device: torch.device) -> None:
        places: dict[tuple[int, int], int] = {}
        paths: list[list[int]] = []
        found: list[tuple[int, int, int, int]] = []
        self.parents: list[int] = []
        for row, prompt in enumerate(prompts):
            place, path = -1, []
            for position, token in enumerate(prompt):
                parent, place = place, places.setdefault((place, token), len(places))
                if place == len(found):
                    self.parents.append(parent)
                    found.append((token, position, row, width - len(prompt) + position))
                path.append(place)
            paths.append(path[:1] * (width - len(prompt)) + path)
        self.paths = torch.tensor(paths, device=device)
        self.ids, self.positions, self.rows, self.columns = torch.tensor(found, device=device).T

    def windows(self, width: int) -> Tensor:
        """The places of each token and those before it, (tokens, width); one behind the last where there is none."""
        steps = torch.arange(1 - width, 1, device=self.ids.device)
        columns = self.columns[:, None] + steps
        before = self.paths[self.rows[:, None], columns.clamp(min=0)]
        return before.masked_fill(self.positions[:, None] + steps < 0, len(self.ids))


class Reader:
    """The model over a batch of prompts and what is said after them."""

    def __init__(
        self,
        model: Lfm2ForCausalLM,
        prompts: list[tuple[int, ...]],
        most: int,
        products: Products | None = None,
    ) -> None:
        """`most`: how many states there may be, at least one of each prompt. Where there are `products`, what the
        linear layers give is kept there."""
        config, body = model.config, model.model
        self.embed, self.head = body.embed_tokens.weight, model.lm_head.weight
        self.norm, self.eps = body.embedding_norm.weight, config.norm_eps
        self.heads, self.groups = config.num_attention_heads, config.num_key_value_heads
        self.head_dim = getattr(config, "head_dim", None) or config.hidden_size // self.heads
        self.layers = list(body.layers)
        self.fused = [_fuse(layer) for layer in self.layers]

        device, lengths = self.embed.device, [len(prompt) for prompt in prompts]
        self.width = max(lengths)
        self.tree = Tree(prompts, self.width, device)
        self.states = States(lengths, most, device)
        self.products = products
        angles = torch.outer(
            torch.arange(config.max_position_embeddings).float().to(device),
            body.rotary_emb.inv_freq,
        )
        scale = body.rotary_emb.attention_scaling
        self.cos = torch.cat([angles, angles], -1).cos() * scale
        self.sin = torch.cat([angles, angles], -1).sin() * scale

    def read_prompts(self) -> Tensor:
        """Reads all prompts; the logits of what comes next, (rows, vocabulary)."""
        tree, states, ends = self.tree, self.states, self.tree.paths[:, -1]
        if products := self._with_room(len(tree.ids)):
            self.nodes = products.enter_prompts(tree.parents, tree.ids.tolist(), ends.tolist())
        earlier_TT = torch.ones(self.width, self.width, device=ends.device).tril().bool()
        seen_UTT = states.seen_UT[:, None] & earlier_TT
        # a pad sees itself: no row of attention is empty
        seen_UTT |= torch.eye(self.width, device=ends.device).bool()
        cos, sin = self.cos[tree.positions][:, None], self.sin[tree.positions][:, None]
        x = self.embed[tree.ids]
        for place, (layer, fused) in enumerate(zip(self.layers, self.fused, strict=True)):
            h = self._rms(x, layer.operator_norm.weight)
            last = place + 1 == len(self.layers)
            if layer.is_attention_layer:
                query, key, value = self._project(place, h, fused, cos, sin)
                keys, values = (part[tree.paths].transpose(1, 2) for part in (key, value))
                states.keep(place, keys, values)
                if last:
                    asking, seen, x = query[ends, None], seen_UTT[:, -1:], x[ends]
                else:
                    asking, seen = query[tree.paths], seen_UTT
                mixed = F.scaled_dot_product_attention(
                    asking.transpose(1, 2), keys, values, attn_mask=seen[:, None]
                ).transpose(1, 2)
                mixed = mixed[:, 0] if last else mixed[tree.rows, tree.columns]
                out_weight = layer.self_attn.out_proj.weight
                x = x + self._multiply(place, "out", mixed.flatten(1), out_weight, ends=last)
            else:
                conv, last = layer.conv, False
                gate, out, part = self._multiply(place, "in", h, *fused[:2]).chunk(3, -1)
                # before a row's first token there is nothing
                signal = F.pad(gate * part, (0, 0, 0, 1))
                windows = tree.windows(conv.conv_kernel_size)
                states.signals[place] = signal[windows[ends, 1:]]
                # a tap at a time: all windows at once would be eight times the signal
                taps = zip(windows.T, conv.conv.weight[:, 0].T, strict=True)
                mixed = sum(signal[before] * weight for before, weight in taps)
                x = x + self._mix(place, mixed, out, conv)
            x = x + self._feed(place, x, layer, fused, ends=last)
        if not self.layers[-1].is_attention_layer:
            x = x[ends]
        return F.linear(self._rms(x, self.norm), self.head)

    def read_token(self, ids: list[int]) -> Tensor:
        """Reads one token more in each state; the logits of what comes next, (states, vocabulary)."""
        states = self.states
        if products := self._with_room(len(ids)):
            self.nodes = products.enter_tokens(self.nodes, ids)
        places = states.positions_S
        cos, sin = self.cos[places][:, None], self.sin[places][:, None]
        x = self.embed[torch.tensor(ids, device=self.embed.device)]
        for place, (layer, fused) in enumerate(zip(self.layers, self.fused, strict=True)):
            h = self._rms(x, layer.operator_norm.weight)
            if layer.is_attention_layer:
                mixed = states.attend(place, *self._project(place, h, fused, cos, sin))
                x = x + self._multiply(place, "out", mixed, layer.self_attn.out_proj.weight)
            else:
                gate, out, part = self._multiply(place, "in", h, *fused[:2]).chunk(3, -1)
                window = torch.cat([states.signals[place], (gate * part)[:, None]], 1)
                states.signals[place] = window[:, 1:]
                mixed = (window * layer.conv.conv.weight[:, 0].T).sum(1)
                x = x + self._mix(place, mixed, out, layer.conv)
            x = x + self._feed(place, x, layer, fused)
        states.said += 1
        return F.linear(self._rms(x, self.norm), self.head)

    def branch(self, parents: list[int]) -> list[int]:
        """Goes on from these states alone (`States.branch`); where each of them stands now."""
        moved = self.states.branch(parents)
        if self.products:
            before = dict(zip(moved, (self.nodes[parent] for parent in parents), strict=True))
            self.nodes = [before[state] for state in range(len(before))]
        return moved

    def _with_room(self, count: int) -> Products | None:
        """Where the products of so many tokens more are kept; if there is no room, none are from here on."""
        if self.products and not self.products.has_room(count):
            self.products = None
        return self.products

    def _multiply(
        self, place: int, part: str, x: Tensor, weight: Tensor, bias: Tensor | None = None, ends: bool = False
    ) -> Tensor:  # fmt: skip
        """What a part of the layer of this place gives for the tokens at hand, or for the ends of prompts."""
        if self.products is None:
            return F.linear(x, weight, bias)
        made = self.products.multiply(place, part, x, weight, ends)
        return made if bias is None else made + bias

    def _rms(self, x: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(x, weight.shape, weight, self.eps)

    def _project(
        self, place: int, h: Tensor, fused: tuple[Any, ...], cos: Tensor, sin: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, (tokens, heads, head), turned to their positions."""
        parts = self._multiply(place, "in", h, fused[0]).unflatten(-1, (-1, self.head_dim))
        query, key, value = parts.split([self.heads, self.groups, self.groups], 1)
        query, key = self._rms(query, fused[3]), self._rms(key, fused[4])
        query, key = _turn(query, cos, sin), _turn(key, cos, sin)
        if (each := self.heads // self.groups) > 1:  # queries that share a key head
            key, value = key.repeat_interleave(each, 1), value.repeat_interleave(each, 1)
        return query, key, value

    def _mix(self, place: int, mixed: Tensor, out: Tensor, conv: Any) -> Tensor:
        """What a short convolution adds to each token, from its weighted signal and those before it."""
        if conv.conv.bias is not None:
            mixed = mixed + conv.conv.bias
        return self._multiply(place, "out", out * mixed, conv.out_proj.weight, conv.out_proj.bias)

    def _feed(
        self, place: int, x: Tensor, layer: Any, fused: tuple[Any, ...], ends: bool = False
    ) -> Tensor:
        h = self._rms(x, layer.ffn_norm.weight)
        gate, part = self._multiply(place, "wide", h, fused[2], ends=ends).chunk(2, -1)
        weight = layer.feed_forward.w2.weight
        return self._multiply(place, "narrow", F.silu(gate) * part, weight, ends=ends)


def _fuse(layer: Any) -> tuple[Any, ...]:
    """The input weight and bias of a layer's mixer, the joined weight of its feed-forward part and,
    of attention, the norms of queries and keys."""
    feed = torch.cat([layer.feed_forward.w1.weight, layer.feed_forward.w3.weight])
    if not layer.is_attention_layer:
        return layer.conv.in_proj.weight, layer.conv.in_proj.bias, feed
    attention = layer.self_attn
    joined = torch.cat([attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight])
    return joined, None, feed, attention.q_layernorm.weight, attention.k_layernorm.weight


def _turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    low, high = x.chunk(2, -1)
    return x * cos + torch.cat([-high, low], -1) * sin
