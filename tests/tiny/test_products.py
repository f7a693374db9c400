"""Products that the sampler has computed, taken by the pass that learns: the same scores and gradients."""

from __future__ import annotations

import threading
from contextlib import nullcontext

import pytest
import torch
from transformers import Lfm2Config, Lfm2ForCausalLM

from memfactory_core.episode import Ask
from memfactory_core.policies.tiny import Tiny, TinySampler
from memfactory_core.tiny import products
from memfactory_core.tiny.linear import TinyLinear
from memfactory_core.tiny.products import Products
from memfactory_core.tiny.sampler import generate
from memfactory_core.training.log_probs import score_packed
from memfactory_core.types import Example
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


def score(sampler, texts, products=None, width=None, prompts=PROMPTS):
    """The log-probabilities of the last tokens of prompts with texts, and the gradient of their sum by weight."""
    rows = [[*prompt, *text] for prompt, text in zip(prompts, texts, strict=True)]
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
    kept.begin()
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
    kept.begin()
    texts = say(tiny.model, kept)
    optimizer = torch.optim.AdamW(tiny.model.parameters(), 1e-3, fused=fused)
    score(tiny, texts)
    optimizer.step()
    wanted, _ = score(tiny, texts)
    found, _ = score(tiny, texts, kept)
    torch.testing.assert_close(found, wanted)
    # and those of the new weights are kept in the same room
    kept.begin()
    texts = say(tiny.model, kept)
    torch.testing.assert_close(
        score(tiny, texts, kept)[0], score(tiny, texts)[0], atol=1e-4, rtol=1e-4
    )


def test_what_was_never_read_is_computed(tiny, recalled):
    kept = Products(tiny.model)
    kept.begin()
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
        kept.begin()
        short = PROMPTS[1]
        said = say(tiny.model, prompts=[short], limit=5)[0]
        batches = [[short], [[*short, *said[:3]]]]
        for prompts in batches if first else batches[::-1]:
            say(tiny.model, kept, prompts, 5)
        recalled.clear()
        plain, wanted = score(tiny, [said[:4]], prompts=[short])
        recalled.clear()
        found, gradients = score(tiny, [said[:4]], kept, prompts=[short])
        assert recalled == [True] * 24 + [False]
        torch.testing.assert_close(found, plain, atol=1e-5, rtol=1e-5)
        for name, gradient in wanted.items():
            torch.testing.assert_close(gradients[name], gradient, atol=1e-3, rtol=1e-3)


def test_once_there_is_no_room_nothing_is_kept(tiny, monkeypatch, recalled):
    monkeypatch.setattr(products, "MOST", 30)
    monkeypatch.setattr(products, "ROOM", 8)
    kept = Products(tiny.model)
    kept.begin()
    assert say(tiny.model, kept, [[7]], 3) == say(tiny.model, prompts=[[7]], limit=3)
    assert kept.count == 3 and {len(buffer) for buffer in kept.buffers.values()} == {8}
    texts = say(tiny.model, kept)
    assert texts == say(tiny.model) and not kept.buffers and not kept.nodes
    found, _ = score(tiny, texts, kept)
    assert not any(recalled)
    torch.testing.assert_close(found, score(tiny, texts)[0])
    kept.begin()
    say(tiny.model, kept, [[7]], 3)
    assert not kept.buffers


def test_products_are_kept_for_a_while_by_one_thread_and_for_one_model(tiny):
    ask = [[0, 50, 51]]
    with tiny.remembering():
        tiny.generate(ask, 3, 1.0)
        count = tiny.products.count
        other = threading.Thread(target=tiny.generate, args=(ask, 3, 1.0))
        other.start()
        other.join()
        assert tiny.products.count == count > 3
    tiny.generate(ask, 3, 1.0)
    assert tiny.products.count == count
    with pytest.raises(KeyboardInterrupt), tiny.remembering():
        tiny.generate(ask, 3, 1.0)
        raise KeyboardInterrupt
    assert not tiny.products.nodes, "what was about to be multiplied may not have been"
    before = tiny.products
    tiny.model = Tiny().load().model
    with tiny.remembering():
        assert tiny.products is not before and tiny.products.model is tiny.model
    tiny.forget()
    assert tiny.products is None


def test_what_nobody_learns_from_is_not_kept(tiny):
    said = Example(id="1", observations=("u",), question="q", answers=("a",))
    messages = ({"role": "user", "content": "Memory: The pet of Bako is Zimo."},)
    learned, other = (Ask("update", messages, 3, trains, {}, said) for trains in (True, False))
    with tiny.remembering():
        tiny.complete([other, other], 1.0)
        assert not tiny.products.count
        tiny.complete([other, learned], 1.0)
        count = tiny.products.count
        tiny.complete([other], 1.0)
        assert tiny.products.count == count > 3


def test_a_step_knows_as_little_as_that_of_a_run_resumed_here(tiny):
    """Also where the step before it moved no weight, as the first of a warm-up does."""
    with tiny.remembering():
        tiny.generate(PROMPTS, 4, 1.0)
        assert tiny.products.nodes
    with tiny.remembering():
        assert not tiny.products.nodes and not tiny.products.count


def test_a_row_of_padding_does_not_stand_in_the_way(tiny, recalled):
    kept = Products(tiny.model)
    kept.begin()
    tiny.products = kept
    (said,) = say(tiny.model, kept, [[7]], 5)
    ids = torch.tensor([[7, *said], [1] * 6])
    mask = torch.tensor([[1] * 6, [1] + [0] * 5])
    both, _ = score_packed(tiny.model, tiny.model, ids, mask, 5, 2, 1.0, recall=tiny.recall)
    assert recalled == [True] * 24 + [False] and not both[1].any()
    alone, _ = score_packed(tiny.model, tiny.model, ids[:1], mask[:1], 5, 2, 1.0)
    torch.testing.assert_close(both[:1], alone, atol=1e-5, rtol=1e-5)


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


@pytest.mark.parametrize("layers", [["full_attention"] * 2, ["full_attention", "conv"]])
def test_models_of_other_layers_take_them_too(tiny, layers):
    """Those that end with a convolution, and those that attend alone, whose last layer is not narrowed."""
    torch.manual_seed(0)
    config = tiny.model.config.to_dict() | {"layer_types": layers, "num_hidden_layers": 2}
    other = TinySampler(
        Lfm2ForCausalLM(Lfm2Config(**config)).eval(), tiny.tokenizer, seed=0, batch_size=8
    )
    kept = Products(other.model)
    kept.begin()
    texts = say(other.model, kept)
    plain, wanted = score(other, texts)
    found, gradients = score(other, texts, kept)
    assert not torch.equal(found, plain), "they were taken"
    torch.testing.assert_close(found, plain, atol=1e-4, rtol=1e-4)
    for name, gradient in wanted.items():
        torch.testing.assert_close(gradients[name], gradient, atol=1e-3, rtol=1e-3)
