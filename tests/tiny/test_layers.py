"""The tiny policy's norms and attention beside transformers': the same results and gradients."""

from __future__ import annotations

import copy

import pytest
import torch
from transformers.models.lfm2.modeling_lfm2 import Lfm2Attention, Lfm2RMSNorm

from memfactory_core.policies.sharing.lfm2_attention import PackedAttention
from memfactory_core.policies.sharing.packing import pack
from memfactory_core.policies.sharing.shared_attention import read_scored, shared_attention
from memfactory_core.tiny.model import make_model
from memfactory_core.tiny.norm import Norm, TinyNorm, take_norms
from memfactory_core.tiny.tokenizer import make_tokenizer


@pytest.mark.parametrize("shape", [(3, 7, 128), (1, 5, 4, 64), (1, 8)])
def test_a_norm_is_transformers_norm(shape):
    torch.manual_seed(0)
    norm, eps = Lfm2RMSNorm(shape[-1], 1e-2), 1e-2  # an epsilon that counts
    norm.weight.data.uniform_(0.5, 2.0)
    x = torch.randn(shape, requires_grad=True)
    x.data[..., 0, :] *= 1e-3
    gradient = torch.randn(shape)
    wanted = norm(x)
    expected = torch.autograd.grad(wanted, (x, norm.weight), gradient)
    own = copy.deepcopy(norm)
    take_norms(own)
    assert type(own) is TinyNorm
    found = own(x)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    gradients = torch.autograd.grad(found, (x, own.weight), gradient)
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(Norm(norm.weight, eps)(x), wanted, atol=1e-5, rtol=1e-5)
    # no number is lost where there is nothing, and other precisions go transformers' way
    assert torch.equal(own(torch.zeros(shape)), torch.zeros(shape))
    assert own(x.bfloat16()).dtype == norm(x.bfloat16()).dtype


def test_packed_rows_pass_through_own_layers_as_through_transformers():
    torch.manual_seed(0)
    theirs = make_model(make_tokenizer()).eval()
    own = copy.deepcopy(theirs)
    take_norms(own)
    rows = [[0, 5, 6, 7, 8, 9], [0, 5, 6, 7, 8, 10, 11, 12], [0, 20], [0, 5, 6, 7, 8, 9, 3, 3]]
    packed = pack(rows)
    with shared_attention(own):
        found = read_scored(own, packed)
    kinds = {type(module) for module in own.modules()}
    assert {TinyNorm, PackedAttention} <= kinds
    assert not {Lfm2RMSNorm, Lfm2Attention} & kinds
    assert {Lfm2RMSNorm, Lfm2Attention} <= {type(module) for module in theirs.modules()}
    plain = {}  # by place in the packed sequence
    for row, places in zip(rows, packed.places, strict=True):
        plain |= zip(places, theirs(torch.tensor([row]), use_cache=False).logits[0], strict=True)
    wanted = torch.stack([plain[place] for place in range(len(found))])
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
    gradients = []
    for model, logits in ((own, found), (theirs, wanted)):
        logits.log_softmax(-1)[:, 7].sum().backward()
        gradients.append({name: weight.grad for name, weight in model.named_parameters()})
    for name, gradient in gradients[1].items():
        torch.testing.assert_close(gradients[0][name], gradient, atol=1e-3, rtol=1e-3)
    # what is not packed goes transformers' way, before and after
    torch.testing.assert_close(
        own(torch.tensor([rows[1]]), use_cache=False).logits[0], wanted[packed.places[1]]
    )
