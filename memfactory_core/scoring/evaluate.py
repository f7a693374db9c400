"""Evaluation: a task, a paradigm and a policy give scores with 95% intervals (bootstrap over examples)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from memfactory_core.episode import Sampler, run_episodes
from memfactory_core.paradigms import Paradigm
from memfactory_core.rewards import score
from memfactory_core.rewards.answers import exact_match, f1
from memfactory_core.rewards.judge import LiveJudge
from memfactory_core.scoring.intervals import interval
from memfactory_core.trace import Episode
from memfactory_core.types import Example

Summary = dict[str, dict[str, float]]
"""{score: {"mean", "low", "high", "n"}}; n counts examples."""
BATCH = 256
BY_QUESTION = ("exact_match", "f1", "judge")
"""Scores of single answers."""


def evaluate(
    paradigm: Paradigm,
    sampler: Sampler,
    examples: Sequence[Example],
    weights: Mapping[str, float],
    samples: int = 0,
    on_episodes: Callable[[str, list[Episode]], None] | None = None,
    judge: LiveJudge | None = None,
) -> dict[str, Summary]:
    """{"greedy": ..., "sampled": ...}: one greedy attempt per example and, where `samples` > 0, that many at
    temperature 1, averaged per example before the interval is taken (avg@k). A judge adds the score
    `judge`; its account says how many answers it left out."""
    summaries = {}
    for name, temperature, attempts in (("greedy", 0.0, 1), ("sampled", 1.0, samples)):
        if not attempts:
            continue
        queue = [example for example in examples for _ in range(attempts)]
        episodes: list[Episode] = []
        for start in range(0, len(queue), BATCH):
            batch = queue[start : start + BATCH]
            groups = [f"{name}-{example.id}" for example in batch]
            played = run_episodes(paradigm, sampler, batch, temperature, groups)
            scored = [score(episode, weights) for episode in played]
            if judge:
                scored = judge.judge(scored)
            if on_episodes:
                on_episodes(name, scored)
            episodes.extend(scored)
        summaries[name] = summarize(episodes)
    return summaries


def summarize(episodes: Sequence[Episode]) -> Summary:
    """Each score's mean over examples with its interval; episodes of one example are averaged first, and
    an example counts for a score only where the score applies. Where an example asks several questions,
    exact match, F1 and the judge's verdict count each of them. Where the task knows categories of questions,
    these three are there for each as well: `f1/CATEGORY`."""
    by_score: dict[str, dict[str, list[float]]] = {}
    answers = [entry for episode in episodes for entry in _by_question(episode)]
    several = len({category for *_, category in answers}) > 1
    for episode in episodes:
        values = [(name, episode.example.id, value) for name, value in episode.scores.items()]
        if episode.example.others:
            values = [entry for entry in values if entry[0] not in BY_QUESTION]
            values += [entry[:3] for entry in _by_question(episode)]
        values.append(("reward", episode.example.id, episode.reward))
        for name, unit, value in values:
            by_score.setdefault(name, {}).setdefault(unit, []).append(value)
    for name, unit, value, category in answers if several else ():
        if category:
            by_score.setdefault(f"{name}/{category}", {}).setdefault(unit, []).append(value)
    return {
        name: interval([sum(values) / len(values) for values in per_example.values()])
        for name, per_example in by_score.items()
    }


def _by_question(episode: Episode) -> Iterator[tuple[str, str, float, str]]:
    """Each answer's scores: score, question, value, and the question's category where the task has some."""
    answers = [episode.answer, *episode.other_answers]
    meta = episode.example.meta
    known = meta.get("questions") or [meta] * len(episode.example.questions)
    categories = [str(about.get("category", "")) for about in known]
    for number, question in enumerate(episode.example.questions):
        answer = answers[number] if number < len(answers) else ""
        unit = f"{episode.example.id}?{number}"
        yield "exact_match", unit, exact_match(answer, question.answers), categories[number]
        yield "f1", unit, f1(answer, question.answers), categories[number]
    for number, verdict in enumerate(episode.verdicts):
        if verdict is not None:
            yield "judge", f"{episode.example.id}?{number}", verdict, categories[number]


def flat(summaries: Mapping[str, Summary]) -> dict[str, Any]:
    """{"greedy/exact_match": {...}} for listings and metrics."""
    return {
        f"{mode}/{name}": values
        for mode, summary in summaries.items()
        for name, values in summary.items()
    }
