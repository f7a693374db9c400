"""Products that the sampler has computed, taken by the pass that learns: the same scores and gradients."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch

from memfactory_core.policies.sharing.packing import pack
from memfactory_core.policies.tiny import Tiny
from memfactory_core.tiny import products
from memfactory_core.tiny.linear import TinyLinear
from memfactory_core.tiny.products import Products
from memfactory_core.tiny.sampler import generate
from memfactory_core.training.log_probs import score_packed
from tests.training.test_trainer import make

PROMPTS = [
    [0, 50, 51, 52, 53, 60],
    [0, 50, 51, 52],
    [0, 50, 51, 52, 53, 61, 62],
    [7],
    [0, 50, 51, 52],
]


@pytest.fixture
def tiny():
    return Tiny(matmul="float32").load()


def say(model, kept=None, prompts=PROMPTS, limit=9):
    """Texts of some tokens, the same whoever asks."""
    said = generate(
        model, prompts, max_new_tokens=limit, eos_id=-1, generator=torch.Generator().manual_seed(3), products=kept
    )  # fmt: skip
    return [one.ids for one in said]


def score(sampler, texts, products=None, width=None):
    """The log-probabilities of the last tokens of prompts with texts, and the gradient of their sum by weight."""
    rows = [[*prompt, *text] for prompt, text in zip(PROMPTS, texts, strict=True)]
    most = max(map(len, rows))
    ids = torch.tensor([[0] * (most - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (most - len(row)) + [1] * len(row) for row in rows])
    model = sampler.model
    sampler.products = products
    model.zero_grad()
    logps, _ = score_packed(
        model, model, ids, mask, width or len(texts[0]), 99, 1.0, recall=sampler.recall
    )
    logps.sum().backward()
    return logps.detach(), {name: w.grad.clone() for name, w in model.named_parameters()}


@pytest.fixture
def recalled(monkeypatch):
    """Of each layer that is asked: whether its product was known."""
    seen = []
    plain = TinyLinear.forward

    def forward(self, x):
        seen.append(self.recalled is not None)
        return plain(self, x)

    monkeypatch.setattr(TinyLinear, "forward", forward)
    return seen


def test_what_was_sampled_is_scored_without_multiplying_again(tiny, recalled):
    kept = Products(tiny.model)
    kept.renew()
    texts = say(tiny.model, kept)
    assert texts == say(tiny.model)
    logps, gradients = score(tiny, texts)
    assert not any(recalled)
    recalled.clear()
    again, same = score(tiny, texts, kept)
    # all but the head, which reads the places of what was said alone
    assert recalled == [True] * 24 + [False]
    torch.testing.assert_close(again, logps, atol=1e-4, rtol=1e-4)
    for name, gradient in gradients.items():
        torch.testing.assert_close(same[name], gradient, atol=1e-3, rtol=1e-3)
    # it is the kept number that counts
    with torch.inference_mode():
        kept.buffers[0, "narrow"].zero_()
    off, _ = score(tiny, texts, kept)
    assert (off - logps).abs().max() > 0.1
    assert not any(
        module.recalled for module in tiny.model.modules() if hasattr(module, "recalled")
    )


@pytest.mark.parametrize("fused", [True, False])
def test_weights_that_changed_have_other_products(tiny, fused):
    kept = Products(tiny.model)
    kept.renew()
    texts = say(tiny.model, kept)
    optimizer = torch.optim.AdamW(tiny.model.parameters(), 1e-3, fused=fused)
    score(tiny, texts)
    optimizer.step()
    wanted, _ = score(tiny, texts)
    found, _ = score(tiny, texts, kept)
    torch.testing.assert_close(found, wanted)
    assert not kept.nodes, "they are let go"
    # and those of the new weights are kept in the same room
    kept.renew()
    texts = say(tiny.model, kept)
    torch.testing.assert_close(
        score(tiny, texts, kept)[0], score(tiny, texts)[0], atol=1e-4, rtol=1e-4
    )


def test_what_was_never_read_is_computed(tiny, recalled):
    kept = Products(tiny.model)
    kept.renew()
    texts = say(tiny.model, kept)
    unread = [[*text[:-2], 99, 98] for text in texts]
    found, _ = score(tiny, unread, kept)
    assert not any(recalled)
    torch.testing.assert_close(found, score(tiny, unread)[0])
    # within a prompt the last layer is not read: what is asked of such a place is computed too
    recalled.clear()
    found, _ = score(tiny, texts, kept, width=len(texts[0]) + 2)
    assert not any(recalled)
    torch.testing.assert_close(found, score(tiny, texts, width=len(texts[0]) + 2)[0])


def test_a_prompt_that_another_text_has_said_is_known_whole(tiny, recalled):
    """The inside of the longer prompt is what was said after the shorter one, whichever is read first."""
    kept = Products(tiny.model)
    for first in (True, False):
        kept._forget()
        kept.renew()
        short = PROMPTS[1]
        said = say(tiny.model, prompts=[short], limit=5)[0]
        batches = [[short], [[*short, *said[:3]]]]
        for prompts in batches if first else batches[::-1]:
            say(tiny.model, kept, prompts, 5)
        recalled.clear()
        packed = pack([[*short, *said[:4]]])
        packed.scored = torch.tensor(packed.places[0][len(short) - 1 : -1])
        with kept.recall(packed.ids_1N[0].tolist(), packed.places, packed.scored.tolist()):
            assert tiny.model.model.layers[3].feed_forward.w2.recalled is not None


def test_no_more_is_kept_than_there_is_room_for(tiny, monkeypatch, recalled):
    monkeypatch.setattr(products, "MOST", 30)
    monkeypatch.setattr(products, "ROOM", 8)
    kept = Products(tiny.model)
    kept.renew()
    texts = say(tiny.model, kept)
    assert texts == say(tiny.model) and 8 < kept.count <= 30
    assert {len(buffer) for buffer in kept.buffers.values()} == {kept.room}
    found, _ = score(tiny, texts, kept)
    assert not any(recalled), "a part of a row is no row"
    torch.testing.assert_close(found, score(tiny, texts)[0])
    again = say(tiny.model, kept, [[7]], 3)
    assert again == say(tiny.model, prompts=[[7]], limit=3)


def test_a_training_takes_them_in_each_step_and_learns_the_same(tmp_path, recalled):
    ways = []
    for forgets in (False, True):
        sampler = Tiny(matmul="float32", seed=0).load()
        sampler.seed(0)
        trainer, _ = make(sampler, tmp_path / str(forgets), steps=3)
        if forgets:
            trainer.sampler.recall = lambda packed: nullcontext()
        before = torch.cat([w.detach().flatten() for w in sampler.model.parameters()])
        assert trainer.shares  # asked once, by trying the model
        recalled.clear()
        trainer.train()
        ways.append(
            (list(recalled), torch.cat([w.detach().flatten() for w in sampler.model.parameters()]))
        )
    (known, weights), (computed, plain) = ways
    assert known == ([True] * 24 + [False]) * (len(known) // 25) and len(known) >= 75
    assert not any(computed)
    # where a gradient is next to nothing, Adam makes a step of it
    assert (weights - plain).norm() < 0.02 * (plain - before).norm()
