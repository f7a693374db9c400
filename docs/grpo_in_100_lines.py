"""GRPO on the needle in about a hundred lines, without TRL: the loop that a run goes through, to be read first.

    python docs/grpo_in_100_lines.py 80

The tiny policy plays a few texts several times each, the attempts at one text are compared, and what did better becomes
likelier. Suffixes say the shape: B texts, G attempts at each, R rows (one for each turn of the policy), T tokens, V the
vocabulary."""

from __future__ import annotations

import sys

import torch
from torch import Tensor

from memfactory_core import config
from memfactory_core.episode import Sampler, run_episodes
from memfactory_core.rewards import score_all
from memfactory_core.trace import Episode
from memfactory_core.types import Completion, Example

RECIPE = config.load("memagent-tiny", ["policy.matmul=float32"])
TEXTS, ATTEMPTS, CLIP, RATE = 12, 8, 0.2, 5e-4
NEGATIVE = RECIPE.training.negative
AT_ONCE = 128
"""Rows that pass through the model together."""
Row = tuple[Completion, float]
"""What the policy wrote in one turn, and the advantage of the whole episode."""


def play(sampler: Sampler, examples_B: list[Example]) -> list[Episode]:
    """G attempts at each text, side by side, scored: B x G episodes."""
    queue = [example for example in examples_B for _ in range(ATTEMPTS)]
    played = run_episodes(RECIPE.paradigm, sampler, queue, 1.0, [one.id for one in queue])
    return score_all(played, RECIPE.reward)


def advantages(rewards_BG: Tensor) -> Tensor:
    """How much better each attempt was than the others at the same text. Nobody needs a value network: the group is
    the yardstick. Equal rewards give zero: such a group teaches nothing."""
    apart_BG = rewards_BG - rewards_BG.mean(1, keepdim=True)
    scaled_BG = apart_BG / (rewards_BG.std(1, correction=0, keepdim=True) + 1e-4)
    return torch.where(scaled_BG > 0, scaled_BG, NEGATIVE * scaled_BG)


def make_rows(episodes: list[Episode]) -> list[Row]:
    """Advantages first, rows afterwards: an episode of many turns weighs no more than one of few in its group."""
    rewards_BG = torch.tensor([one.reward for one in episodes]).view(-1, ATTEMPTS)
    pairs = zip(episodes, advantages(rewards_BG).flatten().tolist(), strict=True)
    return [
        (turn.completion, advantage)
        for one, advantage in pairs
        for turn in one.turns
        if abs(advantage) > 1e-9 and turn.trainable and turn.completion.completion_ids
    ]


def log_probs(model: torch.nn.Module, rows: list[Row]) -> tuple[Tensor, Tensor, Tensor]:
    """Of each written token: its log-probability now, that with which it was drawn, and a mask (R, T)."""
    said = [(list(c.prompt_ids), list(c.completion_ids), c) for c, _ in rows]
    width = max(len(prompt) + len(words) for prompt, words, _ in said)
    ids_RT = torch.zeros(len(rows), width, dtype=torch.long)
    mask_RT, drawn_RT = torch.zeros(len(rows), width), torch.zeros(len(rows), width)
    for r, (prompt, words, completion) in enumerate(said):
        start, end = len(prompt), len(prompt) + len(words)
        ids_RT[r, :end] = torch.tensor(prompt + words)
        mask_RT[r, start:end] = 1.0
        drawn_RT[r, start:end] = torch.tensor(completion.logprobs)
    # padding stands behind the words, where a causal model does not look
    logits_RTV = model(input_ids=ids_RT).logits
    absent_RTV = torch.zeros_like(logits_RTV, dtype=torch.bool)
    for r, (prompt, _, completion) in enumerate(said):
        for place, kept in enumerate(completion.kept or (), len(prompt) - 1):
            # min-p left these tokens to draw from: the others had no chance, and get no blame
            absent_RTV[r, place] = True
            absent_RTV[r, place, list(kept)] = False
    logps_RTV = logits_RTV.masked_fill(absent_RTV, -torch.inf).log_softmax(-1)
    now_RT = logps_RTV[:, :-1].gather(-1, ids_RT[:, 1:, None])[..., 0]
    mask_RT, drawn_RT = mask_RT[:, 1:], drawn_RT[:, 1:]
    return now_RT.masked_fill(mask_RT == 0, 0.0), drawn_RT, mask_RT


def backward(model: torch.nn.Module, rows: list[Row]) -> float:
    """The loss, and its gradient in the model: minus the mean gain over all tokens of the step."""
    total = sum(len(completion.completion_ids) for completion, _ in rows)
    loss = 0.0
    for start in range(0, len(rows), AT_ONCE):
        part = rows[start : start + AT_ONCE]
        now_RT, drawn_RT, mask_RT = log_probs(model, part)
        advantages_R1 = torch.tensor([advantage for _, advantage in part])[:, None]
        ratio_RT = (now_RT - drawn_RT).exp()
        bounded_RT = ratio_RT.clamp(1 - CLIP, 1 + CLIP)
        gain_RT = torch.minimum(ratio_RT * advantages_R1, bounded_RT * advantages_R1)
        piece = -(gain_RT * mask_RT).sum() / total
        piece.backward()
        loss += piece.item()
    return loss


def train(steps: int, seed: int = 0) -> list[dict[str, float]]:
    """The loop: play, compare, learn; loss, reward and exact match of each step."""
    sampler = RECIPE.policy.load()
    sampler.seed(seed)
    optimizer = torch.optim.AdamW(
        sampler.model.parameters(), RATE, betas=(0.9, 0.98), weight_decay=0.0
    )
    history = []
    for step in range(1, steps + 1):
        episodes = play(sampler, RECIPE.task.examples(TEXTS, 1000 * seed + step))
        loss = backward(sampler.model, make_rows(episodes))
        torch.nn.utils.clip_grad_norm_(sampler.model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        reward, right = (
            sum(values) / len(episodes)
            for values in zip(*((e.reward, e.scores["exact_match"]) for e in episodes), strict=True)
        )
        history.append({"loss": loss, "reward": reward, "exact_match": right})
        print(f"step {step:3}  loss {loss:+.3f}  reward {reward:+.2f}  exact match {right:.2f}")
    return history


if __name__ == "__main__":
    train(int(sys.argv[1]) if len(sys.argv) > 1 else 80)
