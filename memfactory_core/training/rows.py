"""Rows of a step as tensors, and its pieces without needless padding.

An optimizer step learns from many turns of very different length, in several pieces. TRL pads all of them to
the longest and mixes them; here rows of one length come together and each piece is as wide as its own longest
row. The loss is a sum over the rows of all pieces, so that only the time changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from memfactory_core.training.advantages import Row
from memfactory_core.training.log_probs import ALL

Piece = dict[str, Any]
"""What the loss reads: prompt_ids and prompt_mask (rows, P) padded on the left; completion_ids, completion_mask
and log-probabilities (rows, C) padded on the right; kept_ids (rows, C, K); advantages (rows,); scalars."""


def to_tensors(rows: Sequence[Row], count: int, pad_id: int) -> Piece:
    """`count` >= len(rows) rows as TRL expects them: prompts padded on the left, completions on the right
    (both int64, shape (count, width), masks alike), advantages float32 (count,). Rows beyond the given
    ones are masked whole. Where the policy recorded them: the log-probabilities with which the tokens were
    drawn, float32 (count, width), and the ids they were drawn from, int64 (count, width, most), -1 where there
    are fewer, ALL where they were drawn from all."""
    blank = count - len(rows)
    said = [turn.completion for turn, _ in rows]
    prompts = [_known(one.prompt_ids) for one in said] + [(pad_id,)] * blank
    completions = [_known(one.completion_ids) for one in said] + [()] * blank
    completions_BC = _pad(completions, pad_id)
    prompts_BP = _pad(prompts, pad_id, left=True)
    widths, lengths = torch.tensor([*map(len, prompts)]), torch.tensor([*map(len, completions)])
    places_P = torch.arange(prompts_BP.size(1))
    tensors = {
        "prompt_ids": prompts_BP,
        "prompt_mask": (places_P >= prompts_BP.size(1) - widths[:, None]).long(),
        "completion_ids": completions_BC,
        "completion_mask": (torch.arange(completions_BC.size(1)) < lengths[:, None]).long(),
        "advantages": torch.tensor([a for _, a in rows] + [0.0] * blank, dtype=torch.float32),
    }
    if all(one.logprobs is not None for one in said):
        tensors["sampled_logps"] = _pad([one.logprobs or () for one in said] + [()] * blank, 0.0)
    if any(turn.completion.kept for turn, _ in rows):
        tensors["kept_ids"] = _kept_ids(rows, completions_BC, pad_id)
    return tensors


def _known(ids: Sequence[int] | None) -> Sequence[int]:
    if ids is None:
        raise ValueError("a turn without the ids of its tokens cannot be trained on")
    return ids


def _pad(rows: Sequence[Sequence[float]], value: float, left: bool = False) -> torch.Tensor:
    """The rows as one tensor, at least one column wide. Attempts share most prompts, and many say the same."""
    apart: dict[tuple[float, ...], int] = {}
    places = [apart.setdefault(tuple(row), len(apart)) for row in rows]
    width = max(1, *map(len, apart))
    more = [(value,) * (width - len(row)) for row in apart]
    pairs = zip(more, apart, strict=True)
    padded = torch.tensor([(*pad, *row) if left else (*row, *pad) for pad, row in pairs])
    return padded[places]


def _kept_ids(rows: Sequence[Row], completions_BC: torch.Tensor, pad_id: int) -> torch.Tensor:
    most = max(len(ids) for turn, _ in rows for ids in turn.completion.kept or ())
    kept_BCK = torch.full((*completions_BC.shape, most), -1)
    # a place that is padding keeps the padding id: an empty set has no log-probability
    kept_BCK[:, :, 0] = pad_id
    flat: list[int] = []  # most sets are of one id
    values: list[int] = []
    for row, (turn, _) in enumerate(rows):
        said = turn.completion
        if said.kept is None:
            kept_BCK[row, :, 0] = ALL
            continue
        first = row * completions_BC.size(1) * most
        for token, ids in zip(said.completion_ids or (), said.kept, strict=True):
            if token not in ids:
                raise ValueError(f"token {token} was not among those that could be drawn: {ids}")
            flat += range(first, first + len(ids))
            values += ids
            first += most
    kept_BCK.view(-1)[flat] = torch.tensor(values)
    return kept_BCK


def by_length(pieces: Sequence[Piece]) -> list[Piece]:
    """The same rows in as many pieces of as many rows, sorted by length and without the columns that are padding
    in all rows of a piece."""
    whole = _join(pieces)
    lengths = whole["prompt_mask"].sum(1) + whole["completion_mask"].sum(1)
    order = torch.argsort(lengths, stable=True)
    return _divide(whole, order, [len(piece["prompt_mask"]) for piece in pieces])


def by_beginning(pieces: Sequence[Piece], alike: bool = False) -> list[Piece]:
    """The same rows in as many pieces, rows with the same beginning together, cut so that each piece has about as
    many tokens of which none are its other rows' too; `alike`, each has as many rows as the given one."""
    whole = _join(pieces)
    lengths = whole["prompt_mask"].sum(1).tolist()
    prompts = zip(whole["prompt_ids"].tolist(), lengths, strict=True)
    keys = [ids[len(ids) - length :] for ids, length in prompts]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    said = whole["completion_mask"].sum(1).tolist()
    places = torch.tensor(order, device=whole["prompt_ids"].device)
    if alike:
        return _divide(whole, places, [len(piece["prompt_mask"]) for piece in pieces])
    pairs = zip(order, order[1:], strict=False)
    common = [0, *(_count_common(keys[before], keys[row]) for before, row in pairs)]
    fresh = [len(keys[row]) - c + said[row] for row, c in zip(order, common, strict=True)]
    counts = _cut_evenly(fresh, common, len(pieces))
    return _divide(whole, places, counts)


def _count_common(one: list[int], other: list[int]) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def _cut_evenly(fresh: Sequence[int], common: Sequence[int], parts: int) -> list[int]:
    """How many rows, in their order, each part gets, at least one. `fresh` are the tokens that a row adds to those
    before it, `common` those that it has with them and which a cut before it would repeat: a part takes half more
    than its share rather than that."""
    counts: list[int] = []
    taken, left = 0, sum(fresh)
    for part in range(parts, 0, -1):
        most = len(fresh) - taken - (part - 1)
        share, count, total = left / part, 1, fresh[taken]
        while count < most:
            row = taken + count
            cheap = common[row] > fresh[row] and total + fresh[row] <= 1.5 * share
            if part > 1 and total + fresh[row] / 2 > share and not cheap:
                break
            total += fresh[row]
            count += 1
        counts.append(count)
        taken += count
        left -= total
    return counts


def _join(pieces: Sequence[Piece]) -> Piece:
    return {
        name: torch.cat([piece[name] for piece in pieces]) if _has_rows(value) else value
        for name, value in pieces[0].items()
    }


def _divide(whole: Piece, order: torch.Tensor, counts: list[int]) -> list[Piece]:
    parts = torch.split(order, counts)
    return [_trim({n: v[part] if _has_rows(v) else v for n, v in whole.items()}) for part in parts]


def _has_rows(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.ndim > 0


def _trim(piece: Piece) -> Piece:
    prompt = max(1, int(piece["prompt_mask"].sum(1).max()))
    said = max(1, int(piece["completion_mask"].sum(1).max()))

    def trimmed(name: str, value: Any) -> Any:
        # one number for each row (advantages, a sequence's importance ratio) has no columns of tokens
        if not _has_rows(value) or value.ndim == 1 or value.size(1) == 1:
            return value
        return value[:, -prompt:] if name.startswith("prompt") else value[:, :said]

    return {name: trimmed(name, value) for name, value in piece.items()}
