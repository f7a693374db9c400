"""A fast sampler for the tiny policy: its forward pass by hand over the weights of the Hugging Face
module.

Prompts that occur several times are read once, keys and values live in one preallocated block, and
rows that have ended leave the batch. Same results as `model.generate`; the gain is large where a
group shares its prompt and small where every prompt differs, since reading prompts then costs most.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import Lfm2ForCausalLM

from memfactory_core.tiny.rounding import attend, rounded

ROOM = 16
"""For so many tokens there is room at first, and each time that it is full."""


@dataclass(frozen=True)
class Sampled:
    """One completion. `ids` end with the end token only where it was sampled, and `finished` says
    so; `logprobs` are of these ids under the distribution they were drawn from (greedy: the plain
    softmax of what might be said). `kept` are the ids that each token was drawn from; None where all were."""

    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finished: bool = False
    kept: list[list[int]] | None = None


class Guide(Protocol):
    """Holds rows to what they may say (policies/copying.py)."""

    def mask(self, logits_RV: Tensor, rows: Sequence[int]) -> Tensor:
        """The logits of these rows with what may not be said at minus infinity."""

    def take(self, row: int, token: int) -> None:
        """Is told what a row has said."""

    def kept(self, row: int) -> list[list[int]] | None:
        """The ids that each token of a row could be; None where it could be any."""


@torch.inference_mode()
def generate(
    model: Lfm2ForCausalLM,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    temperature: float = 1.0,
    min_p: float = 0.0,
    eos_id: int,
    generator: torch.Generator | None = None,
    guide: Guide | None = None,
    go_on: Callable[[list[int]], bool] | None = None,
) -> list[Sampled]:
    """One completion per prompt, in order. `temperature` 0 is greedy; otherwise the logits are divided by it,
    tokens less likely than `min_p` times the likeliest are cut off and the rest is drawn from as a
    distribution of its own; what `guide` does not allow is cut off first. `go_on` is told the first completion's
    ids after each token and ends all where it says False. A completion ends where the model's positions end.
    ValueError for an empty prompt or for one that leaves no position."""
    if not prompts:
        return []
    keys = [tuple(prompt) for prompt in prompts]
    unique = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    if min(map(len, unique)) == 0:
        raise ValueError("generate: a prompt is empty; start it with the <bos> token")
    longest, limit = max(map(len, unique)), model.config.max_position_embeddings
    if longest >= limit:
        raise ValueError(
            f"generate: a prompt of {longest} tokens leaves no room in the {limit} positions of this model; shorten "
            "the memory or the text"
        )
    max_new_tokens = min(max_new_tokens, limit - longest)
    reader = _Reader(model, list(unique), max_new_tokens)
    logits = reader.read_prompts()
    rows = torch.tensor([unique[key] for key in keys], device=logits.device)
    logits = logits[rows]
    reader.keep(rows)

    ids: list[list[int]] = [[] for _ in keys]
    logprobs: list[list[float]] = [[] for _ in keys]
    cuts = min_p > 0 and temperature > 0
    kept: list[list[list[int]]] = [[] for _ in keys]
    finished = [False] * len(keys)
    alive = list(range(len(keys)))
    for step in range(max_new_tokens):
        if guide is not None:
            logits = guide.mask(logits, alive)
        scores = F.log_softmax(logits if temperature == 0 else logits / temperature, -1)
        if cuts:
            stay = scores >= scores.max(-1, keepdim=True).values + math.log(min_p)
            scores = F.log_softmax(scores.masked_fill(~stay, -math.inf), -1)
            sets = torch.split(stay.nonzero()[:, 1], stay.sum(-1).tolist())
        if temperature == 0:
            chosen = scores.argmax(-1)
        else:
            chosen = _draw(scores, generator)
        picked = scores.gather(1, chosen[:, None])[:, 0].tolist()
        left = []
        for place, (row, token, score) in enumerate(
            zip(alive, chosen.tolist(), picked, strict=True)
        ):
            if finished[row]:
                continue
            ids[row].append(token)
            logprobs[row].append(score)
            if cuts:
                kept[row].append(sets[place].tolist())
            if guide is not None:
                guide.take(row, token)
            finished[row] = token == eos_id
            if not finished[row]:
                left.append(place)
        stopped = go_on is not None and not go_on(ids[0])
        if stopped or not left or step + 1 == max_new_tokens:
            break
        if len(left) <= 0.8 * len(alive):
            alive = [alive[place] for place in left]
            places = torch.tensor(left, device=logits.device)
            reader.keep(places)
            chosen = chosen[places]
        with rounded(False):  # for a token of each row the rounding costs what it saves
            logits = reader.read_token(chosen)
    held = [guide.kept(row) if guide else None for row in range(len(keys))]
    return [
        Sampled(ids=drawn, logprobs=scored, finished=ended, kept=sets)
        for drawn, scored, ended, sets in zip(
            ids, logprobs, finished, kept if cuts else held, strict=True
        )
    ]


def _draw(scores: Tensor, generator: torch.Generator | None) -> Tensor:
    """One token of each row, by its log-probabilities: the first up to which the chances add up to more than a number
    drawn evenly, so that one of chance 0 is never drawn. `torch.multinomial` draws a number for every token."""
    sums = scores.exp().cumsum(-1)
    device = sums.device if generator is None else generator.device
    drawn = torch.rand(len(sums), 1, generator=generator, device=device).to(sums.device)
    total = sums[:, -1:]
    if not bool((total > 0).all() and total.isfinite().all()):
        raise ValueError("generate: nothing is left to draw, or the model's logits are no numbers")
    below = torch.minimum(drawn * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(sums, below, right=True)[:, 0]


class _Reader:
    """The model's state over a batch of rows that share one clock: prompts end at the same
    column."""

    def __init__(self, model: Lfm2ForCausalLM, prompts: list[tuple[int, ...]], new: int) -> None:
        """`new`: how many tokens may follow."""
        config, body = model.config, model.model
        self.config, self.embed, self.head = config, body.embed_tokens.weight, model.lm_head.weight
        self.norm, self.eps = body.embedding_norm.weight, config.norm_eps
        self.heads, self.groups = config.num_attention_heads, config.num_key_value_heads
        self.head_dim = getattr(config, "head_dim", None) or config.hidden_size // self.heads
        self.layers = list(body.layers)
        self.fused = [_fuse(layer) for layer in self.layers]

        device = self.embed.device
        self.now = max(map(len, prompts))
        self.room = self.now + min(new, ROOM)
        pads = torch.tensor([self.now - len(prompt) for prompt in prompts])
        self.ids = torch.zeros(len(prompts), self.now, dtype=torch.long)
        for row, prompt in enumerate(prompts):
            self.ids[row, self.now - len(prompt) :] = torch.tensor(prompt)
        self.ids = self.ids.to(device)
        self.seen = (torch.arange(self.room) >= pads[:, None]).to(device)
        angles = torch.outer(
            torch.arange(self.now + new).float().to(device), body.rotary_emb.inv_freq
        )
        scale = body.rotary_emb.attention_scaling
        self.cos = torch.cat([angles, angles], -1).cos() * scale
        self.sin = torch.cat([angles, angles], -1).sin() * scale
        self.past: list[tuple[Tensor, ...]] = []

    def keep(self, rows: Tensor) -> None:
        """Goes on with these rows only, in this order; a row may be named several times."""
        self.past = [tuple(part[rows] for part in parts) for parts in self.past]
        self.seen = self.seen[rows]

    def _grow(self) -> None:
        """Room for some more tokens: all of it at once would be copied whenever rows leave."""
        more = min(ROOM, len(self.cos) - self.room)
        self.past = [
            tuple(F.pad(part, (0, 0, 0, more)) for part in parts) if len(parts) == 2 else parts
            for parts in self.past
        ]
        self.seen = F.pad(self.seen, (0, more), value=True)
        self.room += more

    def read_prompts(self) -> Tensor:
        """Reads all prompts; the logits of what comes next, (rows, vocabulary)."""
        count = self.now
        real = self.seen[:, :count]
        mask = real[:, None, None, :] & torch.ones(count, count, device=real.device).tril().bool()
        mask |= torch.eye(count, device=real.device).bool()
        x = self.embed[self.ids]
        for place, (layer, fused) in enumerate(zip(self.layers, self.fused, strict=True)):
            h = self._rms(x, layer.operator_norm.weight)
            last = place + 1 == len(self.layers)
            if layer.is_attention_layer:
                query, key, value = self._project(h, fused, self.cos[:count], self.sin[:count])
                shape = (len(x), self.groups, self.room, self.head_dim)
                keys, values = key.new_empty(shape), value.new_empty(shape)
                keys[:, :, :count], values[:, :, :count] = key, value
                self.past.append((keys, values))
                if last:
                    query, x, seen = query[:, :, -1:], x[:, -1:], mask[:, :, -1:]
                else:
                    seen = mask
                mixed = self._attend(query, key, value, seen)
                x = x + F.linear(mixed, layer.self_attn.out_proj.weight)
            else:
                conv = layer.conv
                gate, out, part = F.linear(h * real[:, :, None], *fused[:2]).chunk(3, -1)
                signal = F.pad(gate * part, (0, 0, conv.conv_kernel_size - 1, 0))
                self.past.append((signal[:, -(conv.conv_kernel_size - 1) :].contiguous(),))
                mixed = F.conv1d(
                    signal.transpose(1, 2), conv.conv.weight, conv.conv.bias, groups=h.shape[-1]
                ).transpose(1, 2)
                x = x + F.linear(out * mixed, conv.out_proj.weight, conv.out_proj.bias)
            x = x + self._feed(x, layer, fused)
        return F.linear(self._rms(x[:, -1], self.norm), self.head)

    def read_token(self, ids: Tensor) -> Tensor:
        """Reads one token more in each row; the logits of what comes next, (rows, vocabulary)."""
        now = self.now
        if now == self.room:
            self._grow()
        x = self.embed[ids]
        for place, (layer, fused) in enumerate(zip(self.layers, self.fused, strict=True)):
            h = self._rms(x, layer.operator_norm.weight)
            if layer.is_attention_layer:
                query, key, value = self._project(h[:, None], fused, self.cos[now], self.sin[now])
                keys, values = self.past[place]
                keys[:, :, now], values[:, :, now] = key[:, :, 0], value[:, :, 0]
                seen = self.seen[:, None, None, : now + 1]
                mixed = self._attend(query, keys[:, :, : now + 1], values[:, :, : now + 1], seen)
                x = x + F.linear(mixed[:, 0], layer.self_attn.out_proj.weight)
            else:
                conv = layer.conv
                gate, out, part = F.linear(h, *fused[:2]).chunk(3, -1)
                window = torch.cat([self.past[place][0], (gate * part)[:, None]], 1)
                self.past[place] = (window[:, 1:],)
                mixed = (window * conv.conv.weight[:, 0].T).sum(1)
                if conv.conv.bias is not None:
                    mixed = mixed + conv.conv.bias
                x = x + F.linear(out * mixed, conv.out_proj.weight, conv.out_proj.bias)
            x = x + self._feed(x, layer, fused)
        self.now += 1
        return F.linear(self._rms(x, self.norm), self.head)

    def _rms(self, x: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(x, weight.shape, weight, self.eps)

    def _project(
        self, h: Tensor, fused: tuple[Any, ...], cos: Tensor, sin: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, (rows, heads, tokens, head), turned to their positions."""
        parts = F.linear(h, fused[0]).unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
        query, key, value = parts.split([self.heads, self.groups, self.groups], 1)
        query, key = self._rms(query, fused[3]), self._rms(key, fused[4])
        return _turn(query, cos, sin), _turn(key, cos, sin), value

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, seen: Tensor) -> Tensor:
        if (each := self.heads // self.groups) > 1:  # queries that share a key head
            key, value = key.repeat_interleave(each, 1), value.repeat_interleave(each, 1)
        mixed = attend(query, key, value, seen)
        return mixed.transpose(1, 2).flatten(2)

    def _feed(self, x: Tensor, layer: Any, fused: tuple[Any, ...]) -> Tensor:
        gate, part = F.linear(self._rms(x, layer.ffn_norm.weight), fused[2]).chunk(2, -1)
        return F.linear(F.silu(gate) * part, layer.feed_forward.w2.weight)


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
