"""Products of factors rounded to bfloat16, and where they are taken."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.nn.functional as F
from trl.trainer.utils import add_fused_lm_head

from memfactory_core.config import load
from memfactory_core.policies.tiny import Tiny
from memfactory_core.scoring.evaluate import evaluate
from memfactory_core.tiny.rounding import is_rounded, let_round, product, rounded
from memfactory_core.training.log_probs import score_packed
from tests.training.test_trainer import make


def test_it_lasts_as_long_as_it_was_asked_for():
    assert not is_rounded()
    with rounded():
        assert is_rounded()
        with rounded(False):
            assert not is_rounded()
        assert is_rounded()
    with pytest.raises(KeyError), rounded():
        raise KeyError
    assert not is_rounded()


def test_a_product_has_rounded_factors_both_ways_and_is_whole_otherwise():
    torch.manual_seed(0)
    x, weight, bias = (
        torch.randn(3, 7, 128, requires_grad=True),
        torch.randn(50, 128),
        torch.randn(50),
    )
    weight.requires_grad_()
    whole = product(x, weight, bias)
    assert torch.equal(whole, F.linear(x, weight, bias))
    wanted = torch.autograd.grad(whole.square().sum(), (x, weight))
    with rounded():
        near = product(x, weight, bias)
    found = torch.autograd.grad(
        near.square().sum(), (x, weight)
    )  # the way back is rounded too, after it has ended
    for one, other in ((near, whole), *zip(found, wanted, strict=True)):
        assert one.dtype == torch.float32 and not torch.equal(one, other)
        assert F.cosine_similarity(one.flatten(), other.flatten(), dim=0) > 0.9999
    exact = torch.randint(-1, 2, (5, 128)).float()
    with rounded():  # sums of up to 128 need no rounding
        assert torch.equal(product(exact, exact), exact @ exact.T)


def test_threads_round_by_themselves():
    with rounded(), ThreadPoolExecutor(1) as pool:
        assert not pool.submit(is_rounded).result() and is_rounded()


def score(model):
    """The log-probabilities of some rows under the shipped weights, and the gradient of their sum."""
    ids = torch.randint(20, 200, (6, 40), generator=torch.Generator().manual_seed(0))
    ids[:, :30] = ids[0, :30].clone()
    model.zero_grad()
    logps = score_packed(model, model, ids, torch.ones_like(ids), 10, 6)[0]
    logps.sum().backward()
    return logps.detach(), torch.cat([weight.grad.flatten() for weight in model.parameters()])


def test_the_gradient_points_where_the_whole_one_does():
    model = Tiny().load().model
    let_round(model)
    add_fused_lm_head(model, outputs=("log_probs", "entropy"))
    logps, gradient = score(model)
    with rounded():
        near, other = score(model)
    assert not torch.equal(near, logps)  # it did round
    assert (near - logps).abs().mean() < 0.05
    assert F.cosine_similarity(gradient, other, dim=0) > 0.999


@pytest.mark.parametrize(("able", "matmul"), [(True, "auto"), (True, "float32"), (False, "auto")])
def test_training_rounds_where_the_processor_can_and_nothing_forbids_it(
    tmp_path, monkeypatch, able, matmul
):
    monkeypatch.setattr("memfactory_core.policies.processor.computes_bfloat16", lambda: able)
    sampler = Tiny(matmul=matmul).load()
    noted = []
    generate = type(sampler).generate

    def noting(self, *given):
        noted.append(is_rounded())
        return generate(self, *given)

    monkeypatch.setattr(type(sampler), "generate", noting)
    trainer, _ = make(sampler, tmp_path, steps=1)
    trainer.train()
    wanted = able and matmul == "auto"
    assert noted and set(noted) == {wanted}
    noted.clear()
    examples = load("memagent-tiny").task.examples(2, 0)
    evaluate(load("memagent-tiny").paradigm, sampler, examples, load("memagent-tiny").reward)
    assert noted and set(noted) == {False} and not is_rounded()
