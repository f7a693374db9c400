"""Log-probabilities of the distribution that was sampled from.

Where the sampling cut it (min-p, a policy that can only copy), a token was drawn from the ids that were left,
renormalised. The loss must follow the same distribution: over the whole softmax, pushing a token up would also push
down words that were never candidates. The set of ids is fixed when the token is drawn, as the action set of a step is:
it does not move with the policy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from memfactory_core.policies.sharing.packing import Packed, pack
from memfactory_core.policies.sharing.shared_attention import read_scored, shared_attention
from memfactory_core.training.softmax import score_ids

ALL = -2
"""Stands among the kept ids of a token that was drawn from all."""
SMALL_VOCABULARY = 4096
"""Up to so many ids, all logits of the scored places are taken at once. TRL's fused head keeps them small, but makes
those of a place anew for each id that is asked of it and, without a GPU, passes over them some fifteen times."""

Recall = Callable[[Packed], AbstractContextManager[None]]
"""While it lasts, a model need not compute of a packed sequence what is known."""


def _recall_nothing(_: Packed) -> AbstractContextManager[None]:
    return nullcontext()


def kept_log_probs(
    logits_BCV: torch.Tensor, ids_BC: torch.Tensor, kept_BCK: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities (B, C) of the ids among the kept ones (-1 fills up; at least one is kept of each token, or ALL
    stands first), and the entropies (B, C) of what is kept. The logits are divided by the temperature already."""
    free_BC = kept_BCK[:, :, 0] == ALL
    if free_BC.any():
        kept_BCK = torch.where(free_BC[..., None] & (kept_BCK == ALL), ids_BC[..., None], kept_BCK)
    absent_BCK = kept_BCK < 0
    logits_BCK = logits_BCV.gather(-1, kept_BCK.clamp(min=0)).float()
    logps_BCK = logits_BCK.masked_fill(absent_BCK, -math.inf).log_softmax(-1)
    chosen_BC1 = ids_BC.unsqueeze(-1)
    # an id is kept once, so that the sum has one term
    logps_BC = logps_BCK.masked_fill(kept_BCK != chosen_BC1, 0.0).sum(-1)
    finite_BCK = logps_BCK.masked_fill(absent_BCK, 0.0)
    entropies_BC = -(logps_BCK.exp() * finite_BCK).sum(-1)
    if free_BC.any():
        whole_RV = logits_BCV[free_BC].float().log_softmax(-1)
        logps_BC = logps_BC.masked_scatter(free_BC, whole_RV.gather(-1, ids_BC[free_BC][:, None]))
        entropies_BC = entropies_BC.masked_scatter(free_BC, -(whole_RV.exp() * whole_RV).sum(-1))
    return logps_BC, entropies_BC


def score_kept(
    model: Any,
    ids_BT: torch.Tensor,
    mask_BT: torch.Tensor,
    kept_BCK: torch.Tensor,
    temperature: float,
    size: int,
    with_aux: bool = False,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """The last C tokens of each row under a model: `kept_log_probs`, `size` rows at once, and the load-balancing
    loss of a mixture of experts where it is asked for."""
    width = kept_BCK.size(1)
    options = {"output_router_logits": True} if with_aux else {}
    logps, entropies, aux = [], [], []
    for start in range(0, len(ids_BT), size):
        part = slice(start, start + size)
        output = model(
            input_ids=ids_BT[part],
            attention_mask=mask_BT[part],
            logits_to_keep=width + 1,
            **options,
        )
        # the logits before a token are those that it was drawn from
        logits_BCV = output.logits[:, -width - 1 : -1] / temperature
        scored = kept_log_probs(logits_BCV, ids_BT[part, -width:], kept_BCK[part])
        logps.append(scored[0])
        entropies.append(scored[1])
        if with_aux:
            aux.append(output.aux_loss)
    return torch.cat(logps), torch.cat(entropies), torch.stack(aux).mean() if aux else None


def score_packed(
    model: Any, inner: Any, ids_BT: torch.Tensor, mask_BT: torch.Tensor, width: int, size: int, temperature: float,
    kept_BCK: torch.Tensor | None = None, recall: Recall = _recall_nothing,
) -> tuple[torch.Tensor, torch.Tensor | None]:  # fmt: skip
    """Log-probabilities of the completions in the last `width` columns (B, width), 0 where they are padding, with
    what rows have in common computed once, of `size` rows at once; and their entropies where the model's head gives
    them; both over the kept ids where there are any. `inner` is the transformers model in `model`, which carries TRL's
    fused head, made for this temperature, unless its vocabulary is small. `recall` tells the model what it has
    computed of packed rows before, if its vocabulary is small."""
    parts = []
    for first in range(0, len(ids_BT), size):
        part = slice(first, first + size)
        given = [ids_BT[part], mask_BT[part], *([] if kept_BCK is None else [kept_BCK[part]])]
        firsts, places = _tell_apart(given)
        ids, mask, *kept = (one[firsts] for one in given)
        scored = _score_part(
            model, inner, ids, mask, width, temperature, kept[0] if kept else None, recall
        )
        parts.append([None if one is None else one.index_select(0, places) for one in scored])
    logps, entropies = zip(*parts, strict=True)
    return torch.cat(logps), None if entropies[0] is None else torch.cat(entropies)


def _tell_apart(parts: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Of rows that are equal in all parts (B, ...) the first, and which of these each row is like: attempts that say
    the same are scored once."""
    whole = torch.cat([part.flatten(1) for part in parts], dim=1).cpu().numpy()
    seen: dict[bytes, int] = {}
    places: list[int] = []
    firsts: list[int] = []
    for index, row in enumerate(whole):
        place = seen.setdefault(row.tobytes(), len(seen))
        places.append(place)
        if place == len(firsts):
            firsts.append(index)
    device = parts[0].device
    return torch.tensor(firsts, device=device), torch.tensor(places, device=device)


def _score_part(
    model: Any, inner: Any, ids_BT: torch.Tensor, mask_BT: torch.Tensor, width: int, temperature: float,
    kept_BCK: torch.Tensor | None, recall: Recall,
) -> tuple[torch.Tensor, torch.Tensor | None]:  # fmt: skip
    edge, device = ids_BT.size(1) - width, ids_BT.device
    starts = mask_BT[:, :edge].sum(1).tolist()
    said = mask_BT[:, edge:].sum(1).tolist()
    spans = zip(ids_BT.tolist(), starts, said, strict=True)
    rows = [ids[edge - start : edge + count] for ids, start, count in spans]
    # rows of padding alone do not stand in the way of the others; all of them still pass through the model once, so
    # that every process makes the same calls
    real = [i for i, count in enumerate(said) if count] or [0]
    # what comes after the last token is never asked
    packed = pack([rows[i][: max(1, len(rows[i]) - 1)] for i in real], device)
    # a token is asked of the place before it
    before = [[0] * width for _ in rows]
    for i, path in zip(real, packed.places, strict=True):
        own = path[starts[i] - 1 :][: said[i]]
        before[i][: len(own)] = own
    slots_BCK, pairs = _find_asked(
        torch.tensor(before, device=device), ids_BT[:, edge:], mask_BT[:, edge:].bool(), kept_BCK,
        inner.config.get_text_config().vocab_size,
    )  # fmt: skip
    entropies_S: torch.Tensor | None
    with shared_attention(inner):
        if inner.config.get_text_config().vocab_size <= SMALL_VOCABULARY:
            scored_S, entropies_S = _ask_whole(model, packed, *pairs, temperature, recall)
        else:
            scored_S, entropies_S = _ask_fused(model, packed, *pairs)
    asks_BC = slots_BCK[:, :, 0] >= 0
    slots_XK = slots_BCK[asks_BC]
    logps_X = scored_S[slots_XK[:, 0]]
    entropies_X = None if entropies_S is None else entropies_S[slots_XK[:, 0]]
    if kept_BCK is not None:
        # over the kept ids alone: what the whole softmax divides by cancels out
        free_X = (slots_XK[:, 1:] < 0).all(-1)
        some_XK = scored_S[slots_XK.clamp(min=0)].masked_fill(slots_XK < 0, -math.inf)
        over_XK = some_XK.log_softmax(-1)
        logps_X = torch.where(free_X, logps_X, over_XK[:, 0])
        if entropies_X is not None:
            among_X = -(over_XK.exp() * over_XK.masked_fill(slots_XK < 0, 0.0)).sum(-1)
            entropies_X = torch.where(free_X, entropies_X, among_X)
    blank_BC = scored_S.new_zeros(asks_BC.shape)
    logps_BC = blank_BC.masked_scatter(asks_BC, logps_X)
    if entropies_X is None:
        return logps_BC, None
    return logps_BC, blank_BC.masked_scatter(asks_BC, entropies_X)


def _find_asked(
    before_BC: torch.Tensor, ids_BC: torch.Tensor, mask_BC: torch.Tensor, kept_BCK: torch.Tensor | None, size: int
) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:  # fmt: skip
    """Which ids are asked of which places (S,), each pair once: attempts that say the same share both. For each token
    the number of the pair that is its own, then of those that are its rivals among the kept ids; -1 where there is
    none, and all along where nothing is asked: a token whose rivals are none has probability one."""
    asked_BCK, wanted_BCK = ids_BC[..., None], mask_BC[..., None]
    if kept_BCK is not None:
        rivals_BCK = (kept_BCK >= 0) & (kept_BCK != asked_BCK)
        asks_BC = mask_BC & (rivals_BCK.any(-1) | (kept_BCK[:, :, 0] == ALL))
        asked_BCK = torch.cat([asked_BCK, kept_BCK], -1)
        wanted_BCK = torch.cat([asks_BC[..., None], rivals_BCK & asks_BC[..., None]], -1)
    pairs_BCK = before_BC[..., None] * size + asked_BCK
    pairs_S, own = pairs_BCK[wanted_BCK].unique(return_inverse=True)
    slots_BCK = torch.full_like(asked_BCK, -1)
    slots_BCK[wanted_BCK] = own
    pairs_S = pairs_S if len(pairs_S) else pairs_S.new_zeros(1)
    return slots_BCK, (pairs_S // size, pairs_S % size)


def _ask_fused(
    model: Any, packed: Packed, places_S: torch.Tensor, ids_S: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Log-probabilities of ids at places and the entropies there, by TRL's head."""
    packed.scored = places_S
    output = model(
        input_ids=packed.ids_1N, position_ids=packed.positions_1N, packed=packed, fused_lm_head=True,
        shift_labels=ids_S[None],
    )  # fmt: skip
    return output.log_probs[0], None if output.entropy is None else output.entropy[0]


def _ask_whole(
    model: Any, packed: Packed, places_S: torch.Tensor, ids_S: torch.Tensor, temperature: float, recall: Recall
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """The same by all logits of the places."""
    packed.scored, own_S = places_S.unique(return_inverse=True)
    with recall(packed):
        logits_PV = read_scored(model, packed)
    logps_S, entropies_P = score_ids(logits_PV, temperature, own_S, ids_S)
    return logps_S, entropies_P[own_S]


def importance_ratio(
    trained_BC: torch.Tensor,
    sampled_BC: torch.Tensor,
    mask_BC: torch.Tensor,
    mode: str,
    low: float | None,
    high: float | None,
) -> torch.Tensor:
    """What a token's loss is multiplied by where another engine (vLLM) sampled than is trained: the ratio of their
    probabilities, of tokens (B, C) or sequences (B, 1), truncated to the bounds or set to 0 outside of them. TRL's
    `vllm_importance_sampling_mode` names both. Tokens whose log-probability is not known count as equal."""
    difference = torch.nan_to_num((trained_BC - sampled_BC) * mask_BC, nan=0.0)
    if mode.startswith("sequence"):
        difference = difference.sum(-1, keepdim=True)
    ratio = difference.exp()
    if mode.endswith("truncate"):
        return ratio.clamp(min=low, max=high)
    outside = (ratio < (-math.inf if low is None else low)) | (
        ratio > (math.inf if high is None else high)
    )
    return ratio.masked_fill(outside, 0.0)
