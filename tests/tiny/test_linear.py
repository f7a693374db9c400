"""The tiny policy's linear layers: gradients of rounded factors, and where they are taken."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from memfactory_core.policies.tiny import Tiny
from memfactory_core.tiny.linear import take_products
from memfactory_core.training.log_probs import score_packed
from tests.training.test_trainer import make


@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_is_whole_and_its_gradients_are_of_rounded_factors(bias):
    torch.manual_seed(0)
    layer, x = nn.Linear(128, 50, bias=bias), torch.randn(3, 7, 128, requires_grad=True)
    given = (x, *layer.parameters())
    whole = layer(x)
    wanted = torch.autograd.grad(whole.square().sum(), given)
    take_products(layer, rounds=True)
    again = layer(x)
    torch.testing.assert_close(again, whole, atol=1e-6, rtol=1e-6)
    found = torch.autograd.grad(again.square().sum(), given)
    for one, other in zip(found[:2], wanted[:2], strict=True):
        assert one.dtype == torch.float32 and not torch.allclose(one, other, rtol=1e-4)
        assert F.cosine_similarity(one.flatten(), other.flatten(), dim=0) > 0.9999
    if bias:  # no product
        torch.testing.assert_close(found[2], wanted[2])
    # products of whole numbers as small as these need no rounding
    small = torch.randint(-1, 2, (9, 128)).float().requires_grad_()
    with torch.no_grad():
        layer.weight.copy_(torch.randint(-1, 2, (50, 128)))
    (exact,) = torch.autograd.grad(layer(small).sum(), small)
    assert torch.equal(exact, layer.weight.sum(0).expand(9, -1))


def score(model):
    """The log-probabilities of some rows under the shipped weights, and the gradient of their sum."""
    ids = torch.randint(20, 200, (6, 40), generator=torch.Generator().manual_seed(0))
    ids[:, :30] = ids[0, :30].clone()
    model.zero_grad()
    logps = score_packed(model, model, ids, torch.ones_like(ids), 10, 6, 1.0)[0]
    logps.sum().backward()
    return logps.detach(), torch.cat([weight.grad.flatten() for weight in model.parameters()])


def test_the_gradient_points_where_the_whole_one_does_and_nothing_else_changes():
    model = Tiny(matmul="float32").load().model
    logps, gradient = score(model)
    take_products(model, rounds=True)
    same, near = score(model)
    torch.testing.assert_close(same, logps, atol=1e-5, rtol=1e-5)
    assert not torch.equal(near, gradient)  # it did round
    assert F.cosine_similarity(gradient, near, dim=0) > 0.999


@pytest.mark.parametrize(("able", "matmul"), [(True, "auto"), (True, "float32"), (False, "auto")])
def test_training_rounds_where_the_processor_can_and_nothing_forbids_it(
    tmp_path, monkeypatch, able, matmul
):
    monkeypatch.setattr("memfactory_core.policies.processor.computes_bfloat16", lambda: able)
    sampler = Tiny(matmul=matmul).load()
    sampler.seed(0)  # attempts that earn differently
    layers = [module for module in sampler.model.modules() if isinstance(module, nn.Linear)]
    assert {layer.rounds for layer in layers} == {able and matmul == "auto"}
    trainer, _ = make(sampler, tmp_path, steps=1)
    before = sampler.model.model.layers[0].feed_forward.w1.weight.detach().clone()
    trainer.train()
    assert not torch.equal(before, sampler.model.model.layers[0].feed_forward.w1.weight)
