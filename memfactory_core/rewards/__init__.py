"""A reward is a part: one measure of a finished episode, one small file. Of every episode all registered
measures are taken that apply; a recipe's table `[reward]` says what some of them count. Each part carries how
tables, charts and forms show it. The judge lives here too; nothing here plays an episode."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from statistics import fmean
from typing import Any, ClassVar, Literal, cast, get_args

from pydantic import Field

from memfactory_core.component import Component, kinds
from memfactory_core.errors import ConfigError
from memfactory_core.trace import Episode
from memfactory_core.types import Question

About = Literal["answers", "memory", "form", "cost"]
ABOUT: tuple[str, ...] = get_args(About)
NAME = re.compile(r"[a-z][a-z0-9_]*")
"""What a score may be called: its name stands in `score/NAME` and `greedy/NAME/CATEGORY`."""
RESERVED = ("reward",)
"""Names that the sum of all parts has."""


class Reward(Component, ABC, family="rewards"):
    """One measure of a finished episode."""

    weight: float = Field(1.0, allow_inf_nan=False)
    """What one point of this measure counts in the reward; a negative weight is a cost."""

    title: ClassVar[str] = ""
    """Its name in charts and tables; without one, the kind in words."""
    about: ClassVar[About] = "memory"
    """What it speaks of: the answers, the memory, the form of what the policy wrote, or what it cost."""
    low: ClassVar[float | None] = None
    """The least value; None where there is none."""
    high: ClassVar[float | None] = None
    """The greatest value; None where there is none. A measure from 0 to 1 is shown in percent."""
    needs: ClassVar[str] = ""
    """Where it applies, in words after "only where"; empty means to every episode."""
    short: ClassVar[bool] = True
    """Whether it stands in the command line's tables, which have room for few."""
    headline: ClassVar[bool] = False
    """Whether it stands over each episode and, being a share, in a run's large chart; for the few that say
    most."""
    order: ClassVar[int] = 100
    """Its place among the measures that are about the same; lower ones come first."""
    trains: ClassVar[bool] = True
    """Whether it is known while a policy is trained, so that a recipe may give it a weight."""

    def __init_subclass__(cls, kind: str = "", **options: Any) -> None:
        super().__init_subclass__(kind=kind, **options)
        if kind and (kind in RESERVED or not NAME.fullmatch(kind)):
            raise ConfigError(
                f"a reward cannot be called {kind!r}: use small letters, digits and _, and not 'reward'"
            )

    @abstractmethod
    def measure(self, episode: Episode) -> float | None:
        """The value for one finished episode; None where the measure does not apply."""

    def measure_each(self, episode: Episode) -> Sequence[float | None]:
        """The value of each of the episode's questions, None where there is none; empty for a measure that
        single questions have no value of. Evaluations count each question and its category by it."""
        return ()

    def is_unknown(self, episode: Episode) -> bool:
        """Whether the value should be there and could not be found out; an episode that is paid by it is then dropped
        and not counted as 0."""
        return False

    @classmethod
    def summary(cls) -> str:
        """What it measures, its range and where it applies."""
        if cls.low is None and cls.high is None:
            reach = "Any number"
        elif cls.high is None:
            reach = f"From {cls.low:g} up"
        else:
            reach = (
                f"At most {cls.high:g}" if cls.low is None else f"From {cls.low:g} to {cls.high:g}"
            )
        return f"{super().summary()} {reach}{f'; only where {cls.needs}' if cls.needs else ''}."

    @classmethod
    def is_share(cls) -> bool:
        """Whether its values are shares, which are shown in percent."""
        return (cls.low, cls.high) == (0.0, 1.0)


class AnswerReward(Reward, ABC):
    """A measure of single answers; an episode's value is the mean over its questions. A question that was
    not answered counts with an empty answer."""

    about = "answers"
    low, high = 0.0, 1.0

    @abstractmethod
    def measure_answer(self, answer: str, question: Question) -> float:
        """The value of one answer."""

    def measure_each(self, episode: Episode) -> Sequence[float]:
        """The value of each answer."""
        return [self.measure_answer(answer, question) for answer, question in answered(episode)]

    def measure(self, episode: Episode) -> float:
        """The mean over the questions."""
        return fmean(self.measure_each(episode))


Weights = Mapping[str, float | Reward]
"""A recipe's table `[reward]`: the weight of a measure as it is, or a part with settings, by score."""


def answered(episode: Episode) -> list[tuple[str, Question]]:
    """Each question with its answer; a failed episode answers nothing."""
    questions = episode.example.questions
    answers = [episode.answer, *episode.other_answers]
    answers += [""] * (len(questions) - len(answers))
    return list(zip(answers, questions, strict=True))


def in_order() -> dict[str, type[Reward]]:
    """Every kind of measure, in the order in which tables, charts and forms show them."""
    found = _known().items()
    return dict(
        sorted(found, key=lambda item: (ABOUT.index(item[1].about), item[1].order, item[0]))
    )


def _known() -> dict[str, type[Reward]]:
    # only a subclass of Reward registers itself in this family
    return cast(dict[str, type[Reward]], kinds("rewards"))


def weighed(name: str, value: Any) -> float | Reward:
    """An entry of a table `[reward]`, checked: a measure's weight, or a part with settings (`{kind, weight,
    ...}`, the kind being the score's name where none is given). ValueError says what is wrong, pydantic's
    ValidationError with which setting."""
    known = _known()
    number = _number(value)
    if number is not None:
        if name not in known:
            raise ValueError(f"no score called {name!r}; known: {', '.join(known)}")
        part: Reward = known[name].model_validate({"weight": number})
    elif isinstance(value, Mapping | str | Reward):
        part = Reward.model_validate(
            {"kind": name, **value} if isinstance(value, Mapping) else value
        )
        if name in RESERVED or not NAME.fullmatch(name):
            raise ValueError(f"a score cannot be called {name!r}: use small letters, digits and _")
        if name in known and name != part.kind:
            raise ValueError(
                f"{name!r} is a measure of its own: call the part of kind {part.kind!r} something else"
            )
    else:
        raise ValueError(
            f"{name!r} wants a weight, or a part such as {{kind = ..., weight = ...}}, not {value!r}"
        )
    if not part.trains:
        raise ValueError(f"{name!r} is not known while a policy is trained: it has no weight")
    return part if number is None else number


def _number(value: Any) -> float | None:
    """A weight alone; a text that is one counts."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer beyond every float
        return math.inf
    except ValueError:
        return None


def measures(weights: Weights | None = None) -> dict[str, Reward]:
    """What is measured of an episode, by score: every kind that needs no settings, and the parts of
    `weights`, which take the place of the kind whose name they bear."""
    own = {name: part for name, part in (weights or {}).items() if isinstance(part, Reward)}
    plain = {
        kind: part()
        for kind, part in in_order().items()
        if not any(field.is_required() for field in part.model_fields.values())
    }
    return plain | own


def measure(episode: Episode, parts: Mapping[str, Reward] | None = None) -> dict[str, float]:
    """Every score that applies, by name. ConfigError where a part's value is not what it promises."""
    scores = {}
    for name, part in (measures() if parts is None else parts).items():
        try:
            value = part.measure(episode)
        except Exception as error:
            error.add_note(f"in the reward {name!r}, on the example {episode.example.id}")
            raise
        if value is not None:
            scores[name] = _checked(name, part, value)
    return scores


def _checked(name: str, part: Reward, value: Any) -> float:
    low = -math.inf if part.low is None else part.low
    high = math.inf if part.high is None else part.high
    fits = (type(value) is float or isinstance(value, Real)) and math.isfinite(value)
    if not fits or not low - 1e-9 <= value <= high + 1e-9:
        raise ConfigError(
            f"the reward {name!r} measured {value!r}; it may be: {type(part).summary()} "
            "Mend its `measure`, or its `low` and `high`"
        )
    return float(value)


def weight_of(value: Any) -> float:
    """What an entry of a table `[reward]` counts, as checked or as plain values."""
    if isinstance(value, Reward):
        return value.weight
    if isinstance(value, str):
        return 1.0
    return _number(value.get("weight", 1.0) if isinstance(value, Mapping) else value) or 0.0


def total(scores: Mapping[str, float], weights: Mapping[str, Any]) -> float:
    """The reward: the weighted sum of the scores that apply."""
    return sum(weight_of(entry) * scores.get(name, 0.0) for name, entry in weights.items())


def score_all(episodes: Iterable[Episode], weights: Weights) -> list[Episode]:
    """The episodes with their scores and rewards filled in."""
    parts = measures(weights)
    scored = []
    for episode in episodes:
        scores = measure(episode, parts)
        unknown = any(parts[name].is_unknown(episode) for name in weights)
        found = {"scores": scores, "reward": total(scores, weights), "dropped": unknown}
        scored.append(episode.model_copy(update=found))
    return scored


def score(episode: Episode, weights: Weights) -> Episode:
    """One episode with its scores and reward filled in."""
    return score_all([episode], weights)[0]
