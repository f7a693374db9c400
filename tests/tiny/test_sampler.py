"""The tiny policy's sampler beside transformers: the same texts and log-probabilities, whatever rows share."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from memfactory_core.episode import Ask  # noqa: E402
from memfactory_core.policies.tiny import Tiny  # noqa: E402
from memfactory_core.tiny.model import make_config, make_model  # noqa: E402
from memfactory_core.tiny.reader import Reader  # noqa: E402
from memfactory_core.tiny.sampler import draw, generate  # noqa: E402
from memfactory_core.tiny.tokenizer import make_tokenizer  # noqa: E402
from memfactory_core.types import Example  # noqa: E402

EXAMPLE = Example(id="e", observations=("o",), question="q", answers=("a",))


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer()


@pytest.fixture(scope="module")
def rough(tokenizer):
    """An untrained model whose weights are large enough for distinct choices."""
    model = make_model(tokenizer).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1.5 if weight.ndim > 1 else 1.0)
    return model


@pytest.fixture(scope="module")
def mixed(tokenizer):
    """Prompts of many lengths, one of them twice."""
    draw = torch.Generator().manual_seed(0)
    lengths = (5, 1, 30, 17, 90, 3, 44)
    lists = [torch.randint(4, len(tokenizer), (n,), generator=draw).tolist() for n in lengths]
    return [*lists, lists[2]]


@pytest.fixture
def read(monkeypatch):
    """How many states are read at each step from here on."""
    counts: list[int] = []
    token = Reader.read_token

    def counted(self, ids):
        counts.append(len(ids))
        return token(self, ids)

    monkeypatch.setattr(Reader, "read_token", counted)
    return counts


def log_probs_alone(model, prompt, said, temperature):
    """The log-probabilities of what was said by a pass of transformers over this row alone, among the kept ids where
    there are any."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([prompt + said.ids])).logits[0]
    scores = (logits / (temperature or 1)).log_softmax(-1)[len(prompt) - 1 : -1]
    if said.kept is not None:
        stays = torch.zeros_like(scores, dtype=torch.bool)
        for place, ids in enumerate(said.kept):
            stays[place, ids] = True
        scores = scores.masked_fill(~stays, -torch.inf).log_softmax(-1)
    return scores.gather(1, torch.tensor(said.ids)[:, None])[:, 0]


def test_greedy_sampling_equals_transformers(rough, tokenizer, mixed):
    width = max(map(len, mixed))
    ids = torch.tensor([[0] * (width - len(p)) + p for p in mixed])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in mixed])
    free = rough.generate(input_ids=ids, attention_mask=mask, max_new_tokens=40, do_sample=False)
    end = free[0, width + 4].item()
    expected = rough.generate(
        input_ids=ids, attention_mask=mask, max_new_tokens=40, do_sample=False, eos_token_id=end
    )[:, width:].tolist()
    sampled = generate(rough, mixed, max_new_tokens=40, temperature=0, eos_id=end)
    assert any(one.finished for one in sampled)
    for one, row in zip(sampled, expected, strict=True):
        assert one.ids == row[: len(one.ids)]
        assert one.finished == (end in row) == (one.ids[-1] == end)


@pytest.mark.parametrize("temperature", [0, 0.7, 1.0])
def test_logprobs_equal_a_forward_pass(rough, mixed, temperature):
    draw = torch.Generator().manual_seed(1)
    sampled = generate(
        rough, mixed, max_new_tokens=10, temperature=temperature, eos_id=3, generator=draw
    )
    assert sampled[2].ids != sampled[-1].ids or temperature == 0
    for prompt, one in zip(mixed, sampled, strict=True):
        expected = log_probs_alone(rough, prompt, one, temperature)
        assert torch.allclose(expected, torch.tensor(one.logprobs), atol=1e-4)


@pytest.mark.parametrize("min_p", [0.0, 0.3])
def test_attempts_share_what_they_say_alike_and_part_where_they_differ(rough, mixed, read, min_p):
    long = mixed[4]
    prompts = [long, long[:40], [*long[:40], 7, 8], [9], *mixed[:2]]
    attempts = [prompt for prompt in prompts for _ in range(12)]
    draw = torch.Generator().manual_seed(3)
    sampled = generate(
        rough, attempts, max_new_tokens=40, temperature=0.1, min_p=min_p, eos_id=5, generator=draw
    )
    lengths = {len(one.ids) for one in sampled}
    assert max(lengths) > 17, "room is made"
    assert len(lengths) > 2 or min_p, "they end at different places"
    said = {
        (*prompt, -1, *one.ids[:n])
        for prompt, one in zip(attempts, sampled, strict=True)
        for n in range(1, len(one.ids) + 1)
    }
    assert sum(read) <= len(said) < 0.8 * sum(len(one.ids) for one in sampled)
    for prompt, one in zip(attempts, sampled, strict=True):
        expected = log_probs_alone(rough, prompt, one, 0.1)
        torch.testing.assert_close(torch.tensor(one.logprobs), expected, atol=1e-3, rtol=0)


LAYERS = [["conv", "full_attention"], ["full_attention", "conv"], ["conv", "full_attention"] * 2]


@pytest.mark.parametrize("layers", LAYERS, ids=len)
@pytest.mark.parametrize("key_heads", [1, 2])
def test_other_shapes_of_the_model_say_the_same_as_transformers(
    tokenizer, mixed, layers, key_heads
):
    config = make_config(tokenizer)
    config.update(
        {
            "layer_types": layers,
            "num_hidden_layers": len(layers),
            "num_key_value_heads": key_heads,
            "conv_bias": True,
        }
    )
    torch.manual_seed(5)
    model = transformers.Lfm2ForCausalLM(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(2.0 if weight.ndim > 1 else 1.0)
    draw = torch.Generator().manual_seed(1)
    attempts = [*mixed * 3, *mixed[2:3] * 9]  # one prompt has many more than the others
    sampled = generate(
        model, attempts, max_new_tokens=20, temperature=0.2, min_p=0.0, eos_id=-1, generator=draw
    )
    for prompt, one in zip(attempts, sampled, strict=True):
        expected = log_probs_alone(model, prompt, one, 0.2)
        torch.testing.assert_close(torch.tensor(one.logprobs), expected, atol=1e-3, rtol=0)


def test_asks_of_all_limits_share_a_batch_and_each_has_its_own(read):
    sampler = Tiny(seed=0).load()
    sampler.tokenizer.eos_token_id = sampler.tokenizer.pad_token_id  # nothing is said to the end
    words = "The pet of Bako is Zimo. "
    asks = [
        Ask("answer", ({"role": "user", "content": text},), limit, True, {}, EXAMPLE)
        for text, limit in ((words, 200), (words * 110, 8), (words, 3))
    ]
    long, short, brief = sampler.complete(asks, 1.0)
    assert len(short.prompt_ids) > 900
    assert [len(one.completion_ids) for one in (long, short, brief)] == [200, 8, 3]
    for one in (long, short, brief):
        assert len(one.logprobs) == len(one.kept) == len(one.completion_ids)
    assert sum(read) <= 199 + 7 + 2, "nothing is read for who has said enough"


def test_sampling_repeats_under_a_seed_and_refuses_what_does_not_fit(rough, mixed):
    runs = [
        generate(
            rough, mixed, max_new_tokens=5, eos_id=3, generator=torch.Generator().manual_seed(7)
        )
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert generate(rough, [], max_new_tokens=5, eos_id=3) == []
    with pytest.raises(ValueError, match="empty"):
        generate(rough, [[]], max_new_tokens=5, eos_id=3)
    with pytest.raises(ValueError, match="positions"):
        generate(rough, [[5] * 1024], max_new_tokens=5, eos_id=3)
    cut = generate(rough, [[5] * 1020, [5]], max_new_tokens=1024, eos_id=-1)
    assert [len(one.ids) for one in cut] == [4, 1023]  # each ends where the positions end


def test_tokens_are_drawn_by_their_chances_and_never_one_that_was_cut_off():
    chances = torch.tensor([0.0, 0.5, 0.0, 0.2, 0.3, 0.0])
    scores = chances.log().expand(40_000, -1)
    drawn = draw(scores, torch.arange(40_000), torch.Generator().manual_seed(0))
    shares = drawn.bincount(minlength=6) / len(drawn)
    torch.testing.assert_close(shares, chances, atol=0.01, rtol=0)
    assert shares[[0, 2, 5]].eq(0).all()
    assert drawn.equal(draw(scores, torch.arange(40_000), torch.Generator().manual_seed(0)))
    one = draw(
        chances.log()[None], torch.zeros(40_000, dtype=torch.long), torch.Generator().manual_seed(0)
    )
    assert drawn.equal(one), "many may draw from one row"
    # a sum that is rounded up leaves nobody out of its row
    certain = torch.full((5000, 3), -torch.inf).index_fill(1, torch.tensor([1]), 1e-7)
    assert draw(certain, torch.arange(5000), None).eq(1).all()


def test_logits_that_are_no_numbers_are_named():
    for scores in (torch.full((2, 5), -torch.inf), torch.full((2, 5), torch.nan)):
        with pytest.raises(ValueError, match="nothing is left to draw"):
            draw(scores, torch.arange(2), None)
