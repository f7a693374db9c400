"""Evaluation: a task, a paradigm and a policy give scores with 95% intervals (bootstrap over whole texts)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from memfactory_core.episode import Context, Sampler, run_episodes
from memfactory_core.paradigms import Paradigm
from memfactory_core.rewards import Reward, Weights, measures, score_all
from memfactory_core.rewards.judge import Judging
from memfactory_core.scoring.control import play_scrambled
from memfactory_core.scoring.intervals import Interval, interval
from memfactory_core.trace import Episode
from memfactory_core.types import Example

Summary = dict[str, Interval]
"""{score: {"mean", "low", "high", "n", "clusters"}}; n counts examples, or questions where an example asks several;
`clusters` counts the texts they are about."""
BATCH = 256
QUESTION = "\0"
"""Stands between an example's id and a question's number; no id holds it."""
SAMPLED_AT = 1.0
"""The temperature of avg@k."""
DECODINGS = ("greedy", "sampled", "scrambled")
"""How an evaluation may have its answers: one greedy attempt; several at temperature 1; and, as the control, greedily
from the memory of another text."""


def evaluate(
    paradigm: Paradigm,
    sampler: Sampler,
    examples: Sequence[Example],
    weights: Weights,
    samples: int = 0,
    on_episodes: Callable[[str, list[Episode]], None] | None = None,
    judge: Judging | None = None,
    seed: int = 0,
    on_progress: Callable[[float, int], None] | None = None,
    scrambled: bool = False,
) -> dict[str, Summary]:
    """{"greedy": ..., "sampled": ..., "scrambled": ...}: one greedy attempt per example and, where `samples` > 0, that
    many at temperature 1, averaged per example before the interval is taken (avg@k). With `scrambled` the greedy
    episodes' questions are answered once more, each from another text's memory (`control`); these answers are scored,
    their episodes are no data of the policy's and are not given to `on_episodes`. The policy draws from
    `seed` on, so that two evaluations are equal bit by bit (an endpoint's draws excepted). A judge adds the
    score `judge`; its account says how many answers it left out. `on_progress` gets the attempts played so far, half
    played ones in part, and all that there will be."""
    summaries: dict[str, Summary] = {}
    total, played_before = len(examples) * (1 + samples), 0
    for name, temperature, attempts in (("greedy", 0.0, 1), ("sampled", SAMPLED_AT, samples)):
        if not attempts:
            continue
        sampler.seed(seed)
        queue = [example for example in examples for _ in range(attempts)]
        episodes: list[Episode] = []
        for start in range(0, len(queue), BATCH):
            batch = queue[start : start + BATCH]
            groups = [f"{name}-{example.id}" for example in batch]
            watch = _watch(batch, played_before, total, on_progress) if on_progress else None
            played = run_episodes(paradigm, sampler, batch, temperature, groups, watch)
            played_before += len(batch)
            scored = score_all(judge.judge(played) if judge else played, weights)
            if on_episodes:
                on_episodes(name, scored)
            episodes.extend(scored)
        summaries[name] = summarize(episodes, weights)
        if name == "greedy" and scrambled:
            control = play_scrambled(paradigm, sampler, episodes)
            summaries["scrambled"] = _of_answers(score_all(control, weights), weights)
    return {name: summaries[name] for name in DECODINGS if name in summaries}


def _of_answers(episodes: Sequence[Episode], weights: Weights) -> Summary:
    """The scores of the answers alone: what was written and kept is another episode's."""
    parts = measures(weights)
    judged = {name for episode in episodes for name, *_ in _by_question(episode, parts)}
    return {name: found for name, found in summarize(episodes, weights).items() if name in judged}


def _watch(
    batch: Sequence[Example], before: int, total: int, tell: Callable[[float, int], None]
) -> Callable[[int, Context], None]:
    """Adds up how much of a batch has been read, and tells it as attempts. The answer counts as one more section."""
    shares = [0.0] * len(batch)

    def look(index: int, context: Context) -> None:
        sections = len(batch[index].observations)
        read = sections if context.at is None and context.turns else context.at or 0
        shares[index] = max(shares[index], read / (sections + 1))
        if index == 0 or index == len(batch) - 1:  # once or twice in a round of all
            tell(before + sum(shares), total)

    return look


def summarize(episodes: Sequence[Episode], weights: Weights | None = None) -> Summary:
    """Each score's mean over examples with its interval, for which whole texts are drawn: the examples and
    questions about one text are not independent. Episodes of one example are averaged first, and
    an example counts for a score only where the score applies. Measures of single answers (exact match, F1,
    the judge's verdict) count each question where an example asks several, and are there for each category
    of questions as well where the task knows such: `f1/CATEGORY`."""
    by_score: dict[str, dict[str, list[float]]] = {}
    text = {episode.example.id: episode.example.text for episode in episodes}
    parts = measures(weights)
    by_question = [list(_by_question(episode, parts)) for episode in episodes]
    answers = [entry for entries in by_question for entry in entries]
    several = len({category for *_, category in answers}) > 1
    for episode, entries in zip(episodes, by_question, strict=True):
        values = [(name, episode.example.id, value) for name, value in episode.scores.items()]
        if episode.example.others:
            single = {entry[0] for entry in entries}
            values = [entry for entry in values if entry[0] not in single]
            values += [entry[:3] for entry in entries]
        if not episode.dropped:
            values.append(("reward", episode.example.id, episode.reward))
        for name, unit, value in values:
            by_score.setdefault(name, {}).setdefault(unit, []).append(value)
    for name, unit, value, category in answers if several else ():
        if category:
            by_score.setdefault(f"{name}/{category}", {}).setdefault(unit, []).append(value)
    return {
        name: interval(
            [sum(values) / len(values) for values in by_unit.values()],
            [text[unit.partition(QUESTION)[0]] for unit in by_unit],
        )
        for name, by_unit in by_score.items()
    }


def _by_question(
    episode: Episode, parts: Mapping[str, Reward]
) -> Iterator[tuple[str, str, float, str]]:
    """Each answer's scores: score, question, value, and the question's category where the task has some."""
    meta = episode.example.meta
    known = meta.get("questions") or [meta] * len(episode.example.questions)
    categories = [str(about.get("category", "")) for about in known]
    for name, part in parts.items():
        for number, value in enumerate(part.measure_each(episode)):
            if value is not None:
                yield name, f"{episode.example.id}{QUESTION}{number}", value, categories[number]


def flat(summaries: Mapping[str, Summary]) -> dict[str, Any]:
    """{"greedy/exact_match": {...}} for listings and metrics."""
    return {
        f"{mode}/{name}": values
        for mode, summary in summaries.items()
        for name, values in summary.items()
    }
