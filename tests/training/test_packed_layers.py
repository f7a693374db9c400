"""Layers over packed rows that bring their own gradient, against PyTorch's over each row by itself."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from memfactory_core.policies.sharing import kept_shares
from memfactory_core.policies.sharing.kept_shares import can_keep, read_keeping
from memfactory_core.policies.sharing.packing import pack
from memfactory_core.policies.sharing.short_convolution import _convolve
from memfactory_core.policies.tiny import Tiny
from memfactory_core.training.log_probs import score_packed

COMMON = list(range(20, 50))
ROWS = [
    [*COMMON, 5, 6, 7, 8], [*COMMON, *range(50, 70)], [9, 8, 9], [*COMMON, *range(50, 62), 4], COMMON, [3],
]  # fmt: skip


def sum_of_rows(packed, made, weight, alone):
    """The weighted sum of what each row gives by itself, tokens that rows share once; it is what was `made` of all."""
    total, seen = torch.zeros(()), set()
    for places in packed.places:
        own = alone(places)
        torch.testing.assert_close(made[places], own, atol=1e-6, rtol=1e-5)
        fresh = [i for i, place in enumerate(places) if place not in seen]
        seen.update(places)
        total = total + (own[fresh] * weight[places][fresh]).sum()
    return total


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("width", [1, 3, 8])
def test_a_short_convolution_and_its_gradients_are_those_of_each_row(width, bias):
    torch.manual_seed(0)
    packed, size = pack(ROWS), 6
    conv = nn.Conv1d(size, size, width, groups=size, bias=bias, padding=width - 1)
    signal = torch.randn(packed.ids_1N.size(1), size, requires_grad=True)
    weight = torch.randn_like(signal)
    given = (signal, *conv.parameters())
    made = _convolve(packed, signal, conv)
    found = torch.autograd.grad((made * weight).sum(), given)

    def alone(places):
        return conv(signal[places].T)[:, : len(places)].T

    total = sum_of_rows(packed, made, weight, alone)
    for one, other in zip(found, torch.autograd.grad(total, given), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("heads", [4, 2, 1])
def test_attention_that_keeps_its_shares_and_its_gradients_are_those_of_each_row(heads):
    """Also where queries share the heads of keys."""
    torch.manual_seed(0)
    packed, size = pack(ROWS), 16
    count = packed.ids_1N.size(1)
    given = [torch.randn(count, number, size, requires_grad=True) for number in (4, heads, heads)]
    weight = torch.randn_like(given[0])
    made = read_keeping(*given, packed, 0.3)
    found = torch.autograd.grad((made * weight).sum(), given)

    def alone(places):
        asked, *others = (part[places].transpose(0, 1) for part in given)
        known = (part.repeat_interleave(4 // heads, 0) for part in others)
        read = F.scaled_dot_product_attention(asked, *known, is_causal=True, scale=0.3)
        return read.transpose(0, 1)

    total = sum_of_rows(packed, made, weight, alone)
    for one, other in zip(found, torch.autograd.grad(total, given), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_many_shares_of_attention_are_not_kept(monkeypatch):
    """Then gradients come from PyTorch's attention, and are the same."""
    model = Tiny(matmul="float32").load().model
    ids = torch.tensor([[*COMMON, 5, 6], [*COMMON, 7, 8]])
    gradients, calls = [], []
    read = kept_shares._Read.apply
    monkeypatch.setattr(kept_shares._Read, "apply", lambda *given: calls.append(1) or read(*given))
    for most in (2**22, 10):
        monkeypatch.setattr(kept_shares, "MOST", most)
        model.zero_grad()
        score_packed(model, model, ids, torch.ones_like(ids), 2, 2, 1.0)[0].sum().backward()
        gradients.append(torch.cat([weight.grad.flatten() for weight in model.parameters()]))
    assert len(calls) == 2  # of two layers, the first time
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-3)
    packed = pack(ids.tolist())
    cells = sum(block.queries_SL.numel() * block.keys_ST.size(1) for block in packed.blocks)
    monkeypatch.setattr(kept_shares, "MOST", 4 * cells)
    assert can_keep(packed, 4) and not can_keep(packed, 5), "a share for each head"


def test_shares_are_not_kept_where_something_is_rounded_or_nothing_is_learned(monkeypatch):
    model = Tiny(matmul="float32").load().model
    ids = torch.tensor([[*COMMON, 5, 6], [*COMMON, 7, 8]])
    monkeypatch.setattr(kept_shares._Read, "apply", None)

    def score(packed_model):
        return score_packed(packed_model, packed_model, ids, torch.ones_like(ids), 2, 2, 1.0)[0]

    with torch.no_grad():
        whole = score(model)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(score(model), whole, atol=0.5, rtol=0.1)
    model.bfloat16()
    torch.testing.assert_close(score(model), whole, atol=0.5, rtol=0.1)


def test_in_few_bits_a_short_convolution_is_rounded_once():
    torch.manual_seed(0)
    packed, size = pack(ROWS), 6
    conv = nn.Conv1d(size, size, 8, groups=size, padding=7).bfloat16()
    signal = torch.randn(packed.ids_1N.size(1), size).bfloat16().requires_grad_()
    made = _convolve(packed, signal, conv)
    made.sum().backward()
    assert made.dtype == signal.grad.dtype == conv.weight.grad.dtype == torch.bfloat16
    (own,) = (one for one, row in zip(packed.places, ROWS, strict=True) if row == COMMON)
    plain = F.conv1d(
        signal[own].float().T, conv.weight.float(), padding=7, groups=size
    )[:, : len(own)].T.bfloat16() + conv.bias  # fmt: skip
    assert torch.equal(made[own], plain)
