"""What the lesson on credit plays: a conversation's attempts, independent ones and such as part at one decision, and
which way each of their decisions is pushed. All is played by the library when it is asked for; no widget here."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from statistics import fmean
from typing import NamedTuple

from memfactory_core import config
from memfactory_core.config import RunConfig
from memfactory_core.errors import RunError
from memfactory_core.explain.operations import pairs
from memfactory_core.policies.roles import RoleSampler
from memfactory_core.rewards import score_all
from memfactory_core.scoring.intervals import Interval, interval
from memfactory_core.trace import Episode
from memfactory_core.training.advantages import to_rows, with_advantages
from memfactory_core.training.attempts import part_at, play_attempts
from memfactory_core.types import Example

SETTINGS = ("task.vary=false", "task.changes=0", "task.retractions=0")
"""Two facts and three messages of chatter, so that what is right pays in every state: ADD the facts, NOOP the rest."""
SOUGHT = 12
"""Conversations among which the plain one is sought."""
COUNTED = 16
"""Conversations behind these that are counted over, whatever they show."""
PLAIN = 0.25
"""How much farther right must be ahead at one message than at every other one, in reward."""
_playing = threading.Lock()
"""The policy's draws are seeded before each play, so that nobody else may draw meanwhile."""


class Decision(NamedTuple):
    """What one attempt did with one message: the right operation, the one that was done, the words of the policy, and
    the advantage that it is pushed by, None where it is not trained."""

    right: str
    done: str
    said: str
    push: float | None

    @property
    def is_right(self) -> bool:
        """Whether the right operation was done."""
        return self.right == self.done

    @property
    def is_pushed(self) -> bool:
        """Whether it is made likelier or less likely at all."""
        return self.push is not None and abs(self.push) > 1e-9

    @property
    def is_misled(self) -> bool:
        """Whether it is right and made less likely, or wrong and made likelier."""
        return self.is_pushed and ((self.push or 0.0) > 0) != self.is_right


class Group(NamedTuple):
    """The attempts of a group and what each decided, one decision for each message."""

    attempts: tuple[Episode, ...]
    decisions: tuple[tuple[Decision, ...], ...]

    @property
    def pushed(self) -> list[Decision]:
        """All decisions that are pushed."""
        return [one for row in self.decisions for one in row if one.is_pushed]

    def rewards(self, number: int, right: bool) -> list[float]:
        """What those attempts earned that decided about a message, counted from 0, rightly or not."""
        rows = zip(self.attempts, self.decisions, strict=True)
        return [one.reward for one, row in rows if row[number].is_right == right]

    def lead(self, number: int) -> float | None:
        """By how much the attempts that decided rightly about a message earned more than the others, on the mean; None
        where all were right or all wrong."""
        right, wrong = self.rewards(number, True), self.rewards(number, False)
        return fmean(right) - fmean(wrong) if right and wrong else None


@lru_cache(maxsize=1)
def lesson_config() -> RunConfig:
    """What the lesson plays: the recipe of Memory-R1, on conversations without changes."""
    return config.load("memory-r1-tiny", SETTINGS)


@lru_cache(maxsize=1)
def _policy() -> RoleSampler:
    return lesson_config().load_policies(None, None)


@lru_cache(maxsize=1)
def conversations() -> list[Example]:
    """Conversations of the training, first those that are sought through, then those that are counted over."""
    return lesson_config().task.examples(SOUGHT + COUNTED, 0)


def decide(episode: Episode) -> tuple[Decision, ...]:
    """An attempt's decisions, one for each message. RunError where it wrote more or less often than it read."""
    found = []
    for right, done, seq in pairs(episode):
        event = episode.events[seq]
        turn = episode.turns[event.turn - 1]  # the one after which it was written
        push = episode.advantage if turn.trainable else None
        found.append(Decision(right, done, turn.completion.text.strip(), push))
    if not found:
        raise RunError("an attempt of this lesson did not decide once about each message")
    return tuple(found)


def _judge(attempts: Sequence[Episode]) -> Group:
    """The attempts with rewards and advantages, as the trainer gives them."""
    settings = lesson_config().training
    scored = score_all(attempts, lesson_config().reward)
    paid = with_advantages(scored, settings.scale_rewards, settings.negative)
    return Group(tuple(paid), tuple(map(decide, paid)))


@lru_cache(maxsize=SOUGHT + COUNTED)
def play_independent(number: int) -> Group:
    """A group of independent attempts at the conversation of this number, the best paid first."""
    settings, reward = lesson_config().training, lesson_config().reward
    examples = [conversations()[number]] * settings.group_size
    with _playing:
        _policy().seed(number)
        played = play_attempts(lesson_config().paradigm, _policy(), examples, settings, 1, number)
    return _judge(sorted(score_all(played, reward), key=lambda one: -one.reward))


@lru_cache(maxsize=64)
def play_parted(number: int, attempt: int, draw: int) -> tuple[Group, ...]:
    """A group for each message of the conversation: it repeats one of the independent attempts up to there, decides
    anew and goes on. All are numbered from 0; `draw` says which draws are taken."""
    settings = lesson_config().training
    first = play_independent(number).attempts[attempt]
    turns = [index for index, turn in enumerate(first.turns) if turn.trainable]
    # played in one batch, so that each group has a name of its own
    firsts = [
        first.model_copy(
            update={
                "group_id": f"{first.group_id}/{message}",
                "example": first.example.model_copy(update={"id": f"{first.example.id}/{message}"}),
            }
        )
        for message in range(len(turns))
    ]
    sizes = [settings.group_size] * len(turns)
    with _playing:
        _policy().seed(1000 + draw)
        groups = part_at(
            lesson_config().paradigm, _policy(), firsts, turns, sizes, settings.temperature
        )
    return tuple(map(_judge, groups))


def taught(group: Group) -> int:
    """The number of decisions of a group that the trainer learns from."""
    return len(to_rows(group.attempts, lesson_config().training.drop_silent))


def leads(groups: Sequence[Group]) -> list[float]:
    """How far right is ahead at each message in the group that parts there; 0 where it cannot be told."""
    return [group.lead(message) or 0.0 for message, group in enumerate(groups)]


def mixed_attempt(group: Group) -> int | None:
    """The first attempt that earned more than the mean although it decided wrongly somewhere; None where there is
    none."""
    rows = enumerate(zip(group.attempts, group.decisions, strict=True))
    return next(
        (
            index
            for index, (one, row) in rows
            if one.advantage > 0 and {decision.is_right for decision in row} == {True, False}
        ),
        None,
    )


@lru_cache(maxsize=1)
def plain_case() -> tuple[int, int]:
    """The first conversation, and the attempt at it, that shows plainly what the lesson is about: decisions of
    independent attempts are pushed the wrong way both up and down, and at one message right is far ahead. RunError
    where none is."""
    for number in range(SOUGHT):
        group = play_independent(number)
        attempt = mixed_attempt(group)
        misled = {one.is_right for one in group.pushed if one.is_misled}
        if attempt is None or misled != {True, False}:
            continue
        second, most = sorted(leads(play_parted(number, attempt, 0)))[-2:]
        if most - second >= PLAIN:
            return number, attempt
    raise RunError("no conversation of the recipe shows plainly which decision earned the reward")


class Misled(NamedTuple):
    """The shares of pushed decisions that are pushed the wrong way: of all, and of those about each message."""

    whole: Interval
    by_message: tuple[Interval, ...]


@lru_cache(maxsize=1)
def count_over_others() -> tuple[Misled, Misled]:
    """Credit by episode and by decision, with every message parted in turn, over conversations that nobody chose."""
    numbers = range(SOUGHT, SOUGHT + COUNTED)
    size = lesson_config().training.group_size
    return (
        count_misled([[play_independent(number)] for number in numbers]),
        # the best paid one is repeated at one of them, the worst at another: none is preferred
        count_misled([play_parted(number, number % size, 0) for number in numbers]),
    )


def count_misled(conversations: Sequence[Sequence[Group]]) -> Misled:
    """The shares over conversations, each with its groups, with 95% intervals for which whole conversations are drawn;
    all have as many messages."""
    count = len(conversations[0][0].decisions[0])
    pushed = [
        (message, float(told.is_misled), conversation)
        for conversation, groups in enumerate(conversations)
        for group in groups
        for row in group.decisions
        for message, told in enumerate(row)
        if told.is_pushed
    ]

    def share(messages: Sequence[int]) -> Interval:
        found = [(value, cluster) for message, value, cluster in pushed if message in messages]
        return interval([value for value, _ in found], [cluster for _, cluster in found])

    return Misled(share(range(count)), tuple(share([message]) for message in range(count)))
