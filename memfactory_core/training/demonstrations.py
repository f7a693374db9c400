"""Demonstrations: training examples played by a teacher through the pupil's own prompts and dialect.

The teacher is ignorant of what training is to teach: in the roles that will be trained it chooses by chance, whatever
is asked (the strategy `random`). Roles that stay as the pupil starts are played as well as a program can. An answer
copies the value where the memory states it and says else that it is not known: the form of answering, not of
remembering."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from typing import NamedTuple

from memfactory_core.config import RunConfig
from memfactory_core.dialects import Dialect
from memfactory_core.episode import Ask, Sampler, run_episodes
from memfactory_core.errors import RunError
from memfactory_core.paradigms import asked_roles
from memfactory_core.policies.language_model import LanguageModelSampler
from memfactory_core.policies.roles import START, RoleSampler
from memfactory_core.policies.scripted import ScriptedSampler, Strategy
from memfactory_core.tasks.dialogue import UNKNOWN
from memfactory_core.text import contains_words
from memfactory_core.trace import Episode, Wrote, holds
from memfactory_core.types import Completion, Example, Memory, Op

AT_ONCE = 256
"""Examples that are played together."""


class Demonstration(NamedTuple):
    """What the pupil sees in a role and what it is to say, as ids of its own tokenizer; the end token is said too."""

    role: str
    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]
    text: str


class Player(ScriptedSampler):
    """A scripted strategy in the pupil's dialects."""

    def __init__(self, strategy: Strategy, seed: int, pupil: Sampler) -> None:
        super().__init__(strategy, seed)
        self.pupil = pupil

    def dialect_of(self, role: str) -> Dialect:
        """The pupil's."""
        return self.pupil.dialect_of(role)

    def respond(self, ask: Ask) -> str:
        """What it says to one ask."""
        return self.complete([ask], 0.0)[0].text

    def _answer(self, ask: Ask) -> str:
        asked = next(q for q in ask.example.questions if q.question == ask.facts["question"])
        memory, said = ask.facts["memory"], (asked.answers or (UNKNOWN,))[0]
        if asked.evidence:
            return said if all(holds(memory, item) for item in asked.evidence) else UNKNOWN
        return said if contains_words(memory, said) else UNKNOWN

    def _cited(self, ask: Ask, said: str) -> list[Memory]:
        needed = [q.evidence for q in ask.example.questions if q.question == ask.facts["question"]]
        items = [item for evidence in needed for item in evidence]
        if said == UNKNOWN or not items:
            return [] if said == UNKNOWN else super()._cited(ask, said)
        return [m for m in ask.facts["memories"] if any(holds(m.text, item) for item in items)]


class Teacher(Sampler):
    """Plays the pupil's roles: those that will be trained by chance, the others well."""

    def __init__(
        self, pupil: Sampler, own: LanguageModelSampler | None, trained: Collection[str], seed: int
    ) -> None:
        """`own` encodes what it says as the pupil would have sampled it; None says it as text alone."""
        self.pupil = pupil
        self.own = own
        self.trained = trained
        self.by_chance = Player("random", seed, pupil)
        self.well = Player("overlap", seed, pupil)

    def dialect_of(self, role: str) -> Dialect:
        """The pupil's."""
        return self.pupil.dialect_of(role)

    def complete(self, asks: Sequence[Ask], temperature: float) -> list[Completion]:
        """One completion for each ask; the temperature changes nothing."""
        return [self._complete(ask) for ask in asks]

    def seed(self, seed: int) -> None:
        """Its choices are drawn anew."""
        self.by_chance.seed(seed)

    def _complete(self, ask: Ask) -> Completion:
        player = self.by_chance if ask.role in self.trained else self.well
        text = player.respond(ask)
        if self.own is None:
            return Completion(text=text)
        said = self.own.encode_completion(text)
        return Completion(
            text=text, prompt_ids=tuple(self.own.encode(ask.messages)), completion_ids=tuple(said),
            finish_reason="length" if len(said) > ask.max_tokens else "stop",
        )  # fmt: skip


def trained_roles(config: RunConfig) -> set[str]:
    """The roles whose turns GRPO trains with these settings."""
    roles = set(asked_roles(config.paradigm)[1]) - set(config.roles)
    return set(filter(config.paradigm.trains_role, roles))


def imitated_roles(config: RunConfig) -> set[str]:
    """The roles that the pupil plays: its own, and those of its frozen start."""
    others = {role for role, policy in config.roles.items() if policy != START}
    return set(asked_roles(config.paradigm)[1]) - others


def make_teacher(config: RunConfig, pupil: RoleSampler, encodes: bool = True) -> Teacher:
    """The ignorant teacher of a run's policy."""
    own = pupil.own if encodes and isinstance(pupil.own, LanguageModelSampler) else None
    return Teacher(pupil, own, trained_roles(config), config.seed)


def play(config: RunConfig, teacher: Teacher, examples: Sequence[Example]) -> list[Episode]:
    """The teacher's episodes, one for each example."""
    episodes: list[Episode] = []
    for start in range(0, len(examples), AT_ONCE):
        some = examples[start : start + AT_ONCE]
        episodes += run_episodes(config.paradigm, teacher, some, 0.0)
    return episodes


def demonstrate(
    config: RunConfig, pupil: RoleSampler, examples: Sequence[Example]
) -> list[Demonstration]:
    """What the teacher says on these examples in the roles that the pupil plays; what the pupil's own reader would
    reject, or what is longer than its limit, is left out, and so are answers that it is not known beyond the share
    `imitation.unknown` and operations that do nothing beyond `imitation.idle`. RunError where nothing is left."""
    roles = imitated_roles(config)
    found: list[Demonstration] = []
    for episode in play(config, make_teacher(config, pupil), examples):
        refused = {
            event.turn - 1
            for event in episode.events
            if isinstance(event, Wrote) and event.action == "reject"
        }
        for number, turn in enumerate(episode.turns):
            said = turn.completion
            if number in refused or turn.role not in roles or said.finish_reason == "length":
                continue
            ids = said.prompt_ids or (), said.completion_ids or ()
            found.append(Demonstration(turn.role, *ids, said.text))
    if not found:
        raise RunError(
            "nothing can be demonstrated: the pupil's own reader rejects all that the teacher says, or it is longer "
            "than the limits of its roles (max_tokens)"
        )
    unknown = pupil.dialect_of("answer").write_answer(UNKNOWN)
    found = _thin_out(found, "answer", unknown, config.imitation.unknown)
    if config.imitation.idle == 1 or not any(one.role == "manage" for one in found):
        return found  # a dialect need not say how an operation is written that nobody does
    idle = pupil.dialect_of("manage").write_operation(Op(action="noop"), [])
    return _thin_out(found, "manage", idle, config.imitation.idle)


def _thin_out(
    demonstrations: Sequence[Demonstration], role: str, frequent: str, share: float
) -> list[Demonstration]:
    """The demonstrations with at most this share of a role's that end in what is said alike too often; where nothing
    else is said, all: that is then the only form of the role that there is to show."""
    said = [one for one in demonstrations if one.role == role]
    others = sum(not one.text.endswith(frequent) for one in said)
    left = len(said) if share == 1 or not others else int(others * share / (1 - share))
    kept: list[Demonstration] = []
    for one in demonstrations:
        if one.role == role and one.text.endswith(frequent):
            left -= 1
            if left < 0:
                continue
        kept.append(one)
    return kept


def draw_batches(
    demonstrations: Sequence[Demonstration], steps: int, batch: int, seed: int
) -> list[Demonstration]:
    """`steps` times `batch` demonstrations, each role as often as the others: all of a role, shuffled, then all again
    in another order, and so on. Those of a step are sorted by length, so that little is padded."""
    rng = random.Random(f"demonstrations {seed}")
    by_role: dict[str, list[Demonstration]] = {}
    for one in demonstrations:
        by_role.setdefault(one.role, []).append(one)
    rounds: dict[str, list[Demonstration]] = {role: [] for role in sorted(by_role)}
    drawn: list[Demonstration] = []
    while len(drawn) < steps * batch:
        for role, left in rounds.items():
            left = left or rng.sample(by_role[role], len(by_role[role]))
            drawn.append(left.pop())
            rounds[role] = left
    ordered: list[Demonstration] = []
    for start in range(0, steps * batch, batch):
        step = drawn[start : start + batch]
        ordered += sorted(step, key=lambda one: len(one.prompt_ids) + len(one.completion_ids))
    return ordered
