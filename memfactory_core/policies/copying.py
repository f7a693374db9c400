"""Sampling that can only copy: which tokens may come next, so that what is said is made of given sentences.

The sentences are tokens as the tokenizer writes them, alone and behind another one: a space may belong to the word
after it (most models) or to the full stop before it (the tiny policy). Where sentences begin alike the tokens of all
are allowed, so that a token is a decision only where they part; what follows is forced, has probability one and no
gradient. The allowed ids of each token go into `Completion.kept`: the loss takes its log-probabilities over the same
ones (training/log_probs.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from memfactory_core.dialects.copied import Copied

if TYPE_CHECKING:
    from torch import Tensor

Tokens = tuple[int, ...]
HELD = 50_000
"""Texts whose tokens are kept; sections and memories come again in every attempt of a group."""


class _Way(NamedTuple):
    """A sentence that is being said: its tokens, how many of them were said, its number, the numbers of all that were
    begun, and the characters of the text at its end."""

    tokens: Tokens
    said: int
    sentence: int
    begun: frozenset[int]
    length: int


class Copier:
    """The sentences of one tokenizer: `encode` gives the ids of texts without special tokens, `decode` a text of ids,
    `ends` are the tokens that end a completion."""

    def __init__(
        self,
        encode: Callable[[list[str]], Sequence[Sequence[int]]],
        decode: Callable[[list[int]], str],
        ends: Iterable[int],
    ) -> None:
        self.encode, self.decode = encode, decode
        self.ends = sorted(ends)
        self._known: dict[str, Tokens] = {}
        self._exact: dict[str, bool] = {}

    def start(self, copied: Copied, room: int) -> Cursor:
        """The start of a text of at most `room` tokens, the one that ends it included. Sentences that the tokenizer
        does not give back as they are cannot be said."""
        if len(self._known) > HELD:
            self._known.clear()
            self._exact.clear()
        sentences = list(dict.fromkeys(filter(None, copied.sentences)))
        self._learn(sentences)
        for sentence in sentences:
            if sentence not in self._exact:
                self._exact[sentence] = self.decode(list(self._known[sentence])) == sentence
        sentences = [sentence for sentence in sentences if self._exact[sentence]]
        marks = {sentence[-1] for sentence in sentences}
        self._learn([*marks, *(f"{mark} {after}" for mark in marks for after in sentences)])
        return Cursor(self, sentences, copied.budget, room)

    def _learn(self, texts: Sequence[str]) -> None:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known |= zip(new, map(tuple, self.encode(new)), strict=True)

    def alone(self, sentence: str) -> Tokens:
        """The tokens of a sentence that begins a text."""
        return self._known[sentence]

    def join(self, before: str, after: str) -> tuple[int, Tokens]:
        """How one sentence follows another: how many tokens at the end of the first become others, and what is said
        in their place and behind them."""
        count, tokens = self._join(before[-1], after)
        # the mark may belong to a longer token in its sentence
        if count and self._known[before][-count:] != self._known[before[-1]][-count:]:
            self._learn([f"{before} {after}"])
            count, tokens = self._join(before, after)
        return count, tokens

    def _join(self, end: str, after: str) -> tuple[int, Tokens]:
        alone, joined = self._known[end], self._known[f"{end} {after}"]
        pairs = enumerate(zip(alone, joined, strict=False))
        same = next((i for i, (a, b) in pairs if a != b), min(len(alone), len(joined)))
        return len(alone) - same, joined[same:]


class Cursor:
    """One text that is being said."""

    def __init__(self, copier: Copier, sentences: Sequence[str], budget: int, room: int) -> None:
        self.copier, self.sentences = copier, sentences
        self.budget, self.room = budget, room
        self.ended = False
        starts = (
            _Way(copier.alone(sentence), 0, number, frozenset({number}), len(sentence))
            for number, sentence in enumerate(sentences)
        )
        self._ways = [way for way in starts if self._fits(way)]
        self._nothing_fits = not self._ways
        self.allowed = self._find_allowed()

    def _fits(self, way: _Way) -> bool:
        # the token that ends the text needs room too
        return way.length <= self.budget and len(way.tokens) < self.room

    def take(self, token: int) -> None:
        """Says a token, one of `allowed`."""
        if token in self.copier.ends:
            self.ended = True
            return
        self.room -= 1
        self._ways = [
            way._replace(said=way.said + 1)
            for way in self._ways
            if way.said < len(way.tokens) and way.tokens[way.said] == token
        ]
        self._ways += [next_way for way in self._ways for next_way in self._follow(way)]
        self.allowed = self._find_allowed()

    def _follow(self, way: _Way) -> list[_Way]:
        """The sentences that may be begun now that this one has come so far."""
        left = len(way.tokens) - way.said
        before, found = self.sentences[way.sentence], []
        if left > len(self.copier.alone(before[-1])):
            return []
        for number, after in enumerate(self.sentences):
            length = way.length + 1 + len(after)
            if number in way.begun or length > self.budget:
                continue
            count, tokens = self.copier.join(before, after)
            begun = _Way(tokens, 0, number, way.begun | {number}, length)
            if count == left and self._fits(begun):
                found.append(begun)
        return found

    def _find_allowed(self) -> list[int]:
        tokens = {way.tokens[way.said] for way in self._ways if way.said < len(way.tokens)}
        if self._nothing_fits or any(way.said == len(way.tokens) for way in self._ways):
            tokens.update(self.copier.ends)
        return sorted(tokens)


class Guide:
    """Holds the rows of a batch to what they may say; None leaves a row free."""

    def __init__(self, cursors: Sequence[Cursor | None]) -> None:
        self.cursors = cursors
        self._kept: list[list[list[int]]] = [[] for _ in cursors]

    def kept(self, row: int) -> list[list[int]] | None:
        """The ids that each token of a row was drawn from; None of a free row."""
        return None if self.cursors[row] is None else self._kept[row]

    def _allowed(self, row: int) -> list[int] | None:
        cursor = self.cursors[row]
        return None if cursor is None or cursor.ended else cursor.allowed

    def mask(self, logits_RV: Tensor, rows: Sequence[int]) -> Tensor:
        """The logits of these rows with what may not be said at minus infinity."""
        import torch

        sets = [self._allowed(row) for row in rows]
        held = [place for place, ids in enumerate(sets) if ids is not None]
        if not held:
            return logits_RV
        stays_RV = torch.ones_like(logits_RV, dtype=torch.bool)
        stays_RV[held] = False
        places = [place for place, ids in enumerate(sets) for _ in ids or ()]
        stays_RV[places, [token for ids in sets for token in ids or ()]] = True
        return logits_RV.masked_fill(~stays_RV, -math.inf)

    def take(self, row: int, token: int) -> None:
        """Tells what a row has said."""
        cursor = self.cursors[row]
        if cursor is not None and not cursor.ended:
            self._kept[row].append(cursor.allowed)
            cursor.take(token)
