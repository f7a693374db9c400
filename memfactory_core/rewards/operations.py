"""Memory operations beside the right ones, where the task knows these (`meta["actions"]`, one for each write)."""

from __future__ import annotations

from abc import ABC
from statistics import fmean
from typing import ClassVar

from memfactory_core.rewards import Reward
from memfactory_core.trace import Episode, Wrote
from memfactory_core.types import Action

NEEDS = "the task knows the right operation for each message"


Pairs = tuple[tuple[str, str], ...]
_last: tuple[Episode, Pairs] | None = None


def pairs_of(episode: Episode) -> Pairs:
    """What was right and what was done, for each write; () where the task does not know. All parts of this file ask
    it of one episode before the next one comes, so the last result is kept; episodes are frozen."""
    global _last
    kept = _last
    if kept is None or kept[0] is not episode:
        _last = kept = (episode, _find_pairs(episode))
    return kept[1]


def _find_pairs(episode: Episode) -> Pairs:
    right = episode.example.meta.get("actions")
    done = [event.action for event in episode.events if isinstance(event, Wrote)]
    if not right or len(right) != len(done):
        return ()
    return tuple(zip(right, done, strict=True))


class Operations(Reward, kind="operations"):
    """Share of memory operations that were the right ones."""

    title = "Right operations"
    about = "memory"
    low, high = 0.0, 1.0
    needs = NEEDS
    short = False
    order = 50

    def measure(self, episode: Episode) -> float | None:
        """Every write counts once."""
        pairs = pairs_of(episode)
        return fmean([wanted == did for wanted, did in pairs]) if pairs else None


class RightOperation(Reward, ABC):
    """How often one operation was done where it was the right one."""

    action: ClassVar[Action]
    about = "memory"
    low, high = 0.0, 1.0
    needs = NEEDS

    def measure(self, episode: Episode) -> float | None:
        """Of the writes for which the operation was right."""
        done = [did == self.action for wanted, did in pairs_of(episode) if wanted == self.action]
        return fmean(done) if done else None


class RightAdd(RightOperation, kind="right_add"):
    """Share of the new facts that were added."""

    action = "add"
    title = "New facts added"
    order = 51


class RightUpdate(RightOperation, kind="right_update"):
    """Share of the changes that updated a memory."""

    action = "update"
    title = "Changes updated"
    order = 52


class RightDelete(RightOperation, kind="right_delete"):
    """Share of the retractions that deleted a memory."""

    action = "delete"
    title = "Retractions deleted"
    order = 53


class RightNoop(RightOperation, kind="right_noop"):
    """Share of the messages without a fact that changed nothing."""

    action = "noop"
    title = "Chatter left alone"
    order = 54
