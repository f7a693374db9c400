"""Log-probabilities of some ids and the entropies of their distributions, from all logits of a place, in fewer passes
each way than PyTorch takes for the steps one by one: with a small vocabulary these are a tenth of a training step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def score_ids(
    logits_PV: Tensor, temperature: float, places_S: Tensor, ids_S: Tensor
) -> tuple[Tensor, Tensor]:
    """The log-probabilities of ids at places (S,), no pair twice, and the entropies (P,) of all places, under the
    logits divided by the temperature."""
    with torch.autocast(logits_PV.device.type, enabled=False):  # it would round the sums
        logps_S, entropies_P = _Scored.apply(logits_PV.float(), temperature, places_S, ids_S)
    return logps_S, entropies_P


class _Scored(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits_PV: Tensor, temperature: float, places_S: Tensor, ids_S: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Keeps the distributions and their logarithms."""
        ctx.set_materialize_grads(False)
        ctx.temperature = temperature
        logps_PV = (logits_PV / temperature).log_softmax(-1)
        chances_PV = logps_PV.exp()
        entropies_P = -torch.linalg.vecdot(chances_PV, logps_PV)
        ctx.save_for_backward(logps_PV, chances_PV, entropies_P, places_S, ids_S)
        return logps_PV[places_S, ids_S], entropies_P

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, of_logps_S: Tensor | None, of_entropies_P: Tensor | None
    ) -> tuple[Tensor, None, None, None]:
        """A chance that rises takes from the others of its place; an entropy falls most for what is likelier than its
        place's tokens are on average."""
        logps_PV, chances_PV, entropies_P, places_S, ids_S = ctx.saved_tensors
        pull_P1 = entropies_P.new_zeros(len(entropies_P), 1)
        if of_logps_S is not None:
            pull_P1[:, 0].index_add_(0, places_S, of_logps_S)
        if of_entropies_P is not None:
            pull_P1 += (of_entropies_P * entropies_P)[:, None]
            made_PV = (
                torch.addcmul(pull_P1, logps_PV, of_entropies_P[:, None]).mul_(chances_PV).neg_()
            )
        else:
            made_PV = chances_PV * -pull_P1
        if of_logps_S is not None:
            made_PV[places_S, ids_S] += of_logps_S
        return made_PV.div_(ctx.temperature), None, None, None
