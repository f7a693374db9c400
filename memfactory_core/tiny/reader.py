"""The tiny policy's forward pass by hand, over the weights of the Hugging Face module: prompts at once, then token by
token. What prompts begin with alike is read once, and completions that have said the same share one state.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import Lfm2ForCausalLM

from memfactory_core.tiny.norm import Norm
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


class Layer:
    """A layer's norms, and its weights joined where they are asked at once."""

    def __init__(self, number: int, module: Any, eps: float) -> None:
        self.number, self.module, self.attends = number, module, module.is_attention_layer
        feed = module.feed_forward
        self.wide, self.narrow = torch.cat([feed.w1.weight, feed.w3.weight]), feed.w2.weight
        self.before, self.between = (
            Norm(norm.weight, eps) for norm in (module.operator_norm, module.ffn_norm)
        )
        if self.attends:
            mixer = module.self_attn
            self.into = torch.cat(
                [one.weight for one in (mixer.q_proj, mixer.k_proj, mixer.v_proj)]
            )
            self.into_bias, self.out, self.out_bias = None, mixer.out_proj.weight, None
            self.heads, self.groups = (
                len(one.weight) // mixer.head_dim for one in (mixer.q_proj, mixer.k_proj)
            )
            self.turned = Norm(
                torch.cat(
                    [
                        mixer.q_layernorm.weight.expand(self.heads, -1),
                        mixer.k_layernorm.weight.expand(self.groups, -1),
                    ]
                ),
                eps,
            )
        else:
            mixer = module.conv
            self.into, self.into_bias = mixer.in_proj.weight, mixer.in_proj.bias
            self.out, self.out_bias = mixer.out_proj.weight, mixer.out_proj.bias
            self.taps, self.bias = mixer.conv.weight[:, 0].T, mixer.conv.bias


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
        self.norm = Norm(body.embedding_norm.weight, config.norm_eps)
        self.head_dim = getattr(config, "head_dim", None) or (
            config.hidden_size // config.num_attention_heads
        )
        self.layers = [Layer(i, layer, config.norm_eps) for i, layer in enumerate(body.layers)]

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
        cos, sin = angles.cos() * scale, angles.sin() * scale
        self.turns = torch.cat([cos, cos, -sin, sin], -1)
        """By position: the factors of a head's numbers, and of those half a head away."""

    def read_prompts(self) -> Tensor:
        """Reads all prompts; the logits of what comes next, (rows, vocabulary)."""
        tree, states, ends = self.tree, self.states, self.tree.paths[:, -1]
        if products := self._with_room(len(tree.ids)):
            self.nodes = products.enter_prompts(tree.parents, tree.ids.tolist(), ends.tolist())
        earlier_TT = torch.ones(self.width, self.width, device=ends.device).tril().bool()
        seen_UTT = states.seen_UT[:, None] & earlier_TT
        # a pad sees itself: no row of attention is empty
        seen_UTT |= torch.eye(self.width, device=ends.device).bool()
        turns = self.turns[tree.positions][:, None]
        x = self.embed[tree.ids]
        for layer in self.layers:
            h, last = layer.before(x), False
            if layer.attends:
                last = layer is self.layers[-1]
                query, key, value = self._project(layer, h, turns)
                keys, values = (part[tree.paths].transpose(1, 2) for part in (key, value))
                states.keep(layer.number, keys, values)
                if last:
                    asking, seen, x = query[ends, None], seen_UTT[:, -1:], x[ends]
                else:
                    asking, seen = query[tree.paths], seen_UTT
                mixed = F.scaled_dot_product_attention(
                    asking.transpose(1, 2), keys, values, attn_mask=seen[:, None]
                ).transpose(1, 2)
                mixed = (mixed[:, 0] if last else mixed[tree.rows, tree.columns]).flatten(1)
            else:
                gate, out, part = self._enter(layer, h).chunk(3, -1)
                # before a row's first token there is nothing
                signal = F.pad(gate * part, (0, 0, 0, 1))
                windows = tree.windows(len(layer.taps))
                states.signals[layer.number] = signal[windows[ends, 1:]]
                # a tap at a time: all windows at once would be eight times the signal
                taps = zip(windows.T, layer.taps, strict=True)
                mixed = sum(signal[before] * weight for before, weight in taps)
                mixed = self._gate(layer, mixed, out)
            x = self._leave(layer, x, mixed, last)
        if not self.layers[-1].attends:
            x = x[ends]
        return F.linear(self.norm(x), self.head)

    def read_token(self, ids: list[int]) -> Tensor:
        """Reads one token more in each state; the logits of what comes next, (states, vocabulary)."""
        states = self.states
        if products := self._with_room(len(ids)):
            self.nodes = products.enter_tokens(self.nodes, ids)
        places = states.positions_S
        turns = self.turns[places][:, None]
        x = self.embed[torch.tensor(ids, device=self.embed.device)]
        for layer in self.layers:
            h = layer.before(x)
            if layer.attends:
                mixed = states.attend(layer.number, *self._project(layer, h, turns))
            else:
                gate, out, part = self._enter(layer, h).chunk(3, -1)
                window = torch.cat([states.signals[layer.number], (gate * part)[:, None]], 1)
                states.signals[layer.number] = window[:, 1:]
                mixed = self._gate(layer, (window * layer.taps).sum(1), out)
            x = self._leave(layer, x, mixed)
        states.said += 1
        return F.linear(self.norm(x), self.head)

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

    def _multiply(self, layer: Layer, part: str, x: Tensor, weight: Tensor, ends: bool) -> Tensor:
        """What a part of a layer gives for the tokens at hand, or for the ends of prompts alone."""
        if self.products is None:
            return F.linear(x, weight)
        return self.products.multiply(layer.number, part, x, weight, ends)

    def _enter(self, layer: Layer, h: Tensor) -> Tensor:
        made = self._multiply(layer, "in", h, layer.into, ends=False)
        return made if layer.into_bias is None else made + layer.into_bias

    def _project(self, layer: Layer, h: Tensor, turns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, (tokens, heads, head), turned to their positions."""
        parts = self._enter(layer, h).unflatten(-1, (-1, self.head_dim))
        both, value = parts.split_with_sizes([layer.heads + layer.groups, layer.groups], 1)
        both, (factors, across) = layer.turned(both), turns.chunk(2, -1)
        both = torch.addcmul(both * factors, both.roll(self.head_dim // 2, -1), across)
        query, key = both.split_with_sizes([layer.heads, layer.groups], 1)
        if (each := layer.heads // layer.groups) > 1:  # queries that share a key head
            key, value = key.repeat_interleave(each, 1), value.repeat_interleave(each, 1)
        return query, key, value

    def _gate(self, layer: Layer, mixed: Tensor, out: Tensor) -> Tensor:
        """Of each token's weighted signal and those before it, what the short convolution lets through."""
        return out * (mixed if layer.bias is None else mixed + layer.bias)

    def _leave(self, layer: Layer, x: Tensor, mixed: Tensor, ends: bool = False) -> Tensor:
        """What goes on to the next layer."""
        made = self._multiply(layer, "out", mixed, layer.out, ends)
        x = x + (made if layer.out_bias is None else made + layer.out_bias)
        wide = self._multiply(layer, "wide", layer.between(x), layer.wide, ends)
        gate, part = wide.chunk(2, -1)
        return x + self._multiply(layer, "narrow", F.silu(gate) * part, layer.narrow, ends)
