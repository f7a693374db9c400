"""Products of factors rounded to bfloat16, and where they are taken."""

import pytest
import torch
import torch.nn.functional as F
from trl.trainer.utils import add_fused_lm_head

from memfactory_core.config import load
from memfactory_core.policies.tiny import Tiny
from memfactory_core.scoring.evaluate import evaluate
from memfactory_core.tiny.rounding import attend, can_round, is_rounded, rounded
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


def test_whether_it_rounds_is_tried_out_and_changes_nothing():
    can_round.cache_clear()
    found = can_round()
    assert not is_rounded()
    left, right = torch.rand(2000, 128), torch.rand(128, 256)
    with rounded():
        near = left @ right
    assert found == bool((near - left @ right).abs().max() > 1e-2)


@pytest.mark.parametrize("length", [1, 5])
@pytest.mark.parametrize("added", [True, False])
def test_attention_written_out_is_pytorchs(length, added):
    torch.manual_seed(0)
    query, key, value = (torch.randn(3, 2, n, 16) for n in (length, 7, 7))
    mask = torch.rand(3, 1, length, 7) > 0.4
    mask[..., 0] = True
    bias = torch.zeros(mask.shape).masked_fill(~mask, -torch.inf) if added else mask
    plain = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=0.3)
    torch.testing.assert_close(attend(query, key, value, bias, 0.3), plain, atol=1e-5, rtol=1e-5)
    with rounded():
        near = attend(query, key, value, bias, 0.3)
    torch.testing.assert_close(near, plain, atol=3e-2, rtol=3e-2)


def score(model):
    """The log-probabilities of some rows under the shipped weights, and the gradient of their sum."""
    ids = torch.randint(20, 200, (6, 40), generator=torch.Generator().manual_seed(0))
    ids[:, :30] = ids[0, :30].clone()
    model.zero_grad()
    logps = score_packed(model, model, ids, torch.ones_like(ids), 10, 6)[0]
    logps.sum().backward()
    return logps.detach(), torch.cat([weight.grad.flatten() for weight in model.parameters()])


@pytest.mark.skipif(not can_round(), reason="the processor does not multiply bfloat16 for float32")
def test_the_gradient_points_where_the_whole_one_does():
    model = Tiny().load().model
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
    monkeypatch.setattr("memfactory_core.tiny.rounding.can_round", lambda: able)
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
