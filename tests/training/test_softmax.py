"""Log-probabilities of some ids and entropies from all logits: the same numbers and gradients as step by step."""

import pytest
import torch

from memfactory_core.training.softmax import score_ids

PLACES, IDS = torch.tensor([0, 0, 3, 1, 0]), torch.tensor([4, 2, 0, 4, 1])


def plainly(logits, temperature):
    logps = (logits / temperature).log_softmax(-1)
    return logps[PLACES, IDS], -(logps.exp() * logps).sum(-1)


@pytest.mark.parametrize("wanted", ["both", "log-probabilities", "entropies"])
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_numbers_and_gradients_are_those_of_the_plain_way(wanted, temperature):
    """A place of which several ids are asked, one of which none is, and each of the two results alone."""
    torch.manual_seed(0)
    logits = (3 * torch.randn(4, 5)).requires_grad_()
    weights = torch.randn(len(IDS)), torch.randn(4)
    found = []
    for way in (
        lambda: score_ids(logits, temperature, PLACES, IDS),
        lambda: plainly(logits, temperature),
    ):
        logps, entropies = way()
        parts = {"log-probabilities": logps @ weights[0], "entropies": entropies @ weights[1]}
        total = sum(parts.values()) if wanted == "both" else parts[wanted]
        found.append((logps, entropies, torch.autograd.grad(total, logits)[0]))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


def test_logits_of_few_bits_are_scored_in_float32():
    logits = torch.randn(4, 5).bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        logps, entropies = score_ids(logits, 1.0, PLACES, IDS)
    assert logps.dtype == entropies.dtype == torch.float32
    (logps.sum() + entropies.sum()).backward()
    assert logits.grad.dtype == torch.bfloat16
