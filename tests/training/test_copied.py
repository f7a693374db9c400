"""Training a policy that can only copy: the loss follows the distribution over what was allowed, however rows pass
through the model, and what is learned from is made of sentences."""

import copy

import pytest
import torch

from memfactory_core.config import load
from memfactory_core.episode import run_episodes
from memfactory_core.errors import RunError
from memfactory_core.explain.causes import explain
from memfactory_core.explain.inventions import find_inventions
from memfactory_core.policies.language_model import LanguageModelSampler
from memfactory_core.policies.tiny import Tiny
from memfactory_core.rewards import score
from memfactory_core.runs.examples import FOLDERS
from memfactory_core.tasks.sentences import split_sentences
from memfactory_core.trace import Wrote
from memfactory_core.training.log_probs import ALL, kept_log_probs, score_kept, score_packed
from tests.training.test_shared_prompts import (
    TOKENIZER,
    assert_close,
    gradient_of_a_step,
    make_model,
    with_adapters,
)
from tests.training.test_trainer import make

COPIED = ("paradigm.updater.writes=copied", "paradigm.updater.max_tokens=32")


def writes_of(episode):
    return [event for event in episode.events if isinstance(event, Wrote)]


def assert_copied(episode):
    """Every write is made of sentences of its section and of the memory before it, each once."""
    memory = ""
    for write in writes_of(episode):
        assert write.action in ("add", "update"), write.reason
        shown = split_sentences(f"{memory} {episode.example.observations[write.at]}")
        said = split_sentences(write.after)
        assert said and set(said) <= set(shown) and len(set(said)) == len(said)
        memory = write.after


def test_tokens_drawn_from_all_are_scored_beside_tokens_drawn_from_some():
    logits = torch.tensor([[[2.0, 1.0, 0.5, -1.0]] * 2] * 2)
    ids = torch.tensor([[1, 2], [3, 0]])
    kept = torch.tensor([[[0, 1, -1], [2, -1, -1]], [[ALL, -1, -1], [ALL, -1, -1]]])
    logps, entropies = kept_log_probs(logits, ids, kept)
    whole = logits[0, 0].log_softmax(-1)
    some = logits[0, 0, :2].log_softmax(-1)
    torch.testing.assert_close(
        logps, torch.stack([torch.stack([some[1], torch.tensor(0.0)]), whole[[3, 0]]])
    )
    disorder = [-(p.exp() * p).sum() for p in (some, whole)]
    expected = torch.stack([disorder[0], torch.tensor(0.0), disorder[1], disorder[1]]).view(2, 2)
    torch.testing.assert_close(entropies, expected)


@pytest.mark.parametrize("most", [0, 4096], ids=["fused", "whole"])
@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_packed_rows_have_the_log_probs_and_the_gradient_of_plain_ones(
    kind, most, tmp_path, monkeypatch
):
    monkeypatch.setattr("memfactory_core.training.log_probs.SMALL_VOCABULARY", most)
    sampler = LanguageModelSampler(make_model(kind), TOKENIZER)
    trainer, _ = make(sampler, tmp_path, entropy=0.1)
    torch.manual_seed(0)
    ids = torch.randint(4, len(TOKENIZER), (5, 20))
    ids[1, :12] = ids[0, :12]
    mask = torch.ones_like(ids)
    mask[2, :5], mask[3, -3:], mask[4, -8:] = 0, 0, 0
    kept = torch.randint(4, len(TOKENIZER), (5, 8, 4))
    kept[:, :, 0] = ids[:, -8:]
    for place in range(8):  # no id twice
        for row in range(5):
            distinct = kept[row, place].unique()[torch.randperm(len(kept[row, place].unique()))]
            distinct = torch.cat([distinct, torch.full((4 - len(distinct),), -1)])
            kept[row, place] = distinct
    kept[1] = -1
    kept[1, :, 0] = ids[1, -8:]  # no choice at all
    kept[2] = -1
    kept[2, :, 0] = ALL
    gradients, scored = [], []
    for packed in (True, False):
        sampler.model.zero_grad()
        if packed:
            logps, entropies = score_packed(
                trainer.model, sampler.model, ids, mask, 8, 3, 1.0, kept
            )
        else:
            logps, entropies, _ = score_kept(sampler.model, ids, mask, kept, 1.0, 3)
        said = mask[:, -8:]
        ((logps * said).sum() + 0.1 * (entropies * said).sum()).backward()
        scored.append(torch.stack([logps * said, entropies * said]).detach())
        gradients.append({n: p.grad.clone() for n, p in sampler.model.named_parameters()})
    torch.testing.assert_close(*scored, atol=1e-4, rtol=1e-4)
    assert_close(*gradients, 1e-4)
    assert not scored[0][:, 1].any(), "a token without rivals has probability one"


@pytest.mark.parametrize("way", ["plain", "adapters"])
def test_a_step_over_packed_rows_has_the_gradient_of_the_plain_way(way, tmp_path):
    ways = []
    for shared in (True, False):
        model = make_model("llama")
        model = with_adapters(model) if way == "adapters" else model
        folder = tmp_path / str(shared)
        ways.append(gradient_of_a_step(model, folder, shared, entropy=0.1, paradigm=COPIED))
    (loss, gradients), (plain_loss, plain) = ways
    assert loss == pytest.approx(plain_loss, abs=1e-5)
    assert_close(gradients, plain, 1e-4)


@pytest.mark.parametrize("kind", ["tiny", "shared", "trl"])
def test_the_ratio_is_one_when_a_step_begins(untrained, tmp_path, kind):
    if kind == "tiny":
        sampler = untrained
    else:
        sampler = LanguageModelSampler(make_model("llama"), TOKENIZER)
        sampler.share_prompts = kind == "shared"
    trainer, seen = make(sampler, tmp_path, paradigm=COPIED, steps=1, drop_silent=False)
    compared = []
    inner = trainer._compute_loss

    def compare(model, inputs):
        mask = inputs["completion_mask"]
        ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], 1)
        whole = torch.cat([inputs["prompt_mask"], mask], 1)
        logps, _ = trainer._get_per_token_logps_and_entropies(model, ids, whole, mask.size(1))[:2]
        # TRL's own generation tells no log-probs: the ratio then starts at one by itself
        old = inputs["old_per_token_logps"] if kind != "trl" else logps
        compared.append(((logps - old) * mask).abs().max())
        return inner(model, inputs)

    trainer._compute_loss = compare
    trainer.train()
    assert compared and max(compared) < 1e-3
    for episode in seen[0][1]:
        assert_copied(episode)


def test_where_the_weights_lie_elsewhere_it_says_that_it_cannot_copy(untrained, tmp_path):
    sampler = LanguageModelSampler(untrained.model, untrained.tokenizer)
    trainer, _ = make(sampler, tmp_path, paradigm=COPIED, steps=1)
    trainer.is_fsdp_enabled = True
    with pytest.raises(RunError, match="needs a whole model"):
        trainer._generate_by_trl([[1, 2]], 4, 1.0, object())


def test_it_learns_for_some_steps_and_never_writes_but_sentences(untrained, tmp_path):
    sampler = copy.copy(untrained)
    sampler.model = copy.deepcopy(untrained.model)
    before = {name: value.clone() for name, value in sampler.model.state_dict().items()}
    trainer, seen = make(
        sampler, tmp_path, paradigm=COPIED, steps=4, groups=2, group_size=4, reuse=2
    )
    trainer.train()
    for _, episodes in seen:
        for episode in episodes:
            assert_copied(episode)
    moved = [n for n, v in sampler.model.state_dict().items() if not torch.equal(v, before[n])]
    assert len(moved) == len(before)


@pytest.mark.parametrize("temperature", [0.0, pytest.param(1.0, marks=pytest.mark.slow)])
def test_no_cause_of_what_is_forgotten_is_altered_or_invented(temperature):
    """The shipped run's policy, whose free writes slip, and what it says when it can only copy."""
    causes, slips = {}, {}
    for writes in ("free", "copied"):
        config = load("memagent-tiny", ["task.chunks=6", f"paradigm.updater.writes={writes}"])
        sampler = Tiny(seed=0, min_p=0.0).load(FOLDERS[0] / "policy")
        examples = config.task.examples(40, 3, "heldout")
        episodes = [
            score(e, config.reward)
            for e in run_episodes(config.paradigm, sampler, examples, temperature)
        ]
        found = [finding.cause for episode in episodes for finding in explain(episode)]
        causes[writes] = set(found)
        slips[writes] = sum(len(find_inventions(e.example, e.events)) for e in episodes)
        if writes == "copied":
            for episode in episodes:
                assert_copied(episode)
    assert causes["free"] & {"altered", "invented"} and slips["free"]
    assert not causes["copied"] & {"altered", "invented", "malformed"} and not slips["copied"]
