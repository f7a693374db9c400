"""Advantages: each episode is compared with the others of its group, and its trainable turns become rows."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence

from memfactory_core.policies.reinforcement import Training
from memfactory_core.trace import Episode
from memfactory_core.types import Turn

Row = tuple[Turn, float]
"""A trainable turn with the advantage of its episode."""


def advantages_of_step(
    episodes: Sequence[Episode], settings: Training, step: int, seed: int
) -> list[Episode]:
    """The episodes of a step with the advantages that it learns from: their own, or with `settings.shuffled` those of
    each group dealt out among its attempts by chance, which `step` and `seed` decide."""
    earned = with_advantages(episodes, settings.scale_rewards, settings.negative)
    if not settings.shuffled:
        return earned
    chance = random.Random(f"advantages {seed} {step}")
    groups: dict[str, list[float]] = {}
    for episode in earned:
        if not episode.dropped:
            groups.setdefault(episode.group_id, []).append(episode.advantage)
    for advantages_G in groups.values():
        chance.shuffle(advantages_G)
    return [
        one if one.dropped else one.model_copy(update={"advantage": groups[one.group_id].pop()})
        for one in earned
    ]


def with_advantages(
    episodes: Sequence[Episode], scale: str, negative: float = 1.0
) -> list[Episode]:
    """The episodes with their advantages, in order: reward minus the group's mean, divided by the
    standard deviation of the group or the batch, or not (`scale`: group, batch, none); those below zero are
    weighted by `negative`. Dropped episodes are compared with nobody and have none."""
    groups: dict[str, list[float]] = {}
    counted = [episode for episode in episodes if not episode.dropped]
    for episode in counted:
        groups.setdefault(episode.group_id, []).append(episode.reward)
    means = {group: statistics.fmean(rewards_G) for group, rewards_G in groups.items()}
    stds: dict[str, float] = {}
    if scale == "group":
        stds = {group: statistics.pstdev(rewards_G) for group, rewards_G in groups.items()}
    elif scale != "none" and counted:
        stds = dict.fromkeys(groups, statistics.pstdev([episode.reward for episode in counted]))
    result = []
    for episode in episodes:
        if episode.dropped:
            result.append(episode.model_copy(update={"advantage": 0.0}))
            continue
        advantage = episode.reward - means[episode.group_id]
        if scale != "none":
            advantage /= stds[episode.group_id] + 1e-4
        advantage *= 1.0 if advantage > 0 else negative
        result.append(episode.model_copy(update={"advantage": advantage}))
    return result


def equal_groups(episodes: Sequence[Episode]) -> set[str]:
    """The ids of groups whose episodes all earned the same, or were dropped: they carry no gradient."""
    groups: dict[str, set[float]] = {}
    for episode in episodes:
        rewards = groups.setdefault(episode.group_id, set())
        if not episode.dropped:
            rewards.add(round(episode.reward, 9))
    return {group for group, rewards in groups.items() if len(rewards) <= 1}


def to_rows(episodes: Sequence[Episode], drop_silent: bool = False) -> list[Row]:
    """One row for each trainable turn with sampled ids; `drop_silent` leaves out episodes whose advantage is
    zero. Those that were dropped have none, whatever the settings."""
    return [
        (turn, episode.advantage)
        for episode in episodes
        if not episode.dropped and (not drop_silent or abs(episode.advantage) > 1e-9)
        for turn in episode.turns
        if turn.trainable and turn.completion.completion_ids
    ]
