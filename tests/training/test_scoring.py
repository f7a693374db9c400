"""What is scored once for several rows, and where nothing or the impossible is scored."""

import math

import pytest
import torch

from memfactory_core.policies.tiny import Tiny
from memfactory_core.training import log_probs
from memfactory_core.training.log_probs import score_kept, score_packed

ROW = [20, 21, 22, 23, 24, 25]


@pytest.fixture(scope="module")
def model():
    return Tiny(matmul="float32").load().model


def test_equal_rows_that_were_drawn_from_other_ids_are_told_apart(model):
    ids = torch.tensor([ROW, ROW, ROW])
    mask = torch.ones_like(ids)
    kept = torch.tensor([[[24, 30], [25, 31]], [[24, 40], [25, -1]], [[24, 30], [25, 31]]])
    packed, entropies = score_packed(model, model, ids, mask, 2, 3, 0.7, kept)
    plain, wanted, _ = score_kept(model, ids, mask, kept, 0.7, 3)
    torch.testing.assert_close(packed, plain, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(entropies, wanted, atol=1e-5, rtol=1e-5)
    assert torch.equal(packed[0], packed[2]) and not torch.allclose(packed[0], packed[1])


def test_where_nothing_is_asked_every_weight_still_has_a_gradient(model):
    """So every process of a training makes the same calls."""
    model.zero_grad()
    ids, mask = torch.tensor([ROW]), torch.tensor([[1, 1, 1, 1, 0, 0]])
    logps, _ = score_packed(model, model, ids, mask, 2, 1, 1.0)
    assert not logps.any()
    logps.sum().backward()
    assert all(weight.grad is not None and not weight.grad.any() for weight in model.parameters())


def test_an_id_that_cannot_be_leaves_padding_alone(model, monkeypatch):
    """A log-probability of minus infinity concerns its own token."""
    read = log_probs.read_scored

    def impossible(*given):
        logits = read(*given).clone()
        logits[0, 23] = -math.inf  # the lowest pair: the shorter row comes first
        return logits

    monkeypatch.setattr(log_probs, "read_scored", impossible)
    ids = torch.tensor([ROW, ROW])
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])
    logps, _ = score_packed(model, model, ids, mask, 3, 2, 1.0)
    assert logps[0].isfinite().all() and logps[1].tolist() == [-math.inf, 0.0, 0.0]
