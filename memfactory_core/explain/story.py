"""What happened in an episode, section by section: what was read, what was written, and how each needed fact
stands. Plain data from the trace; no widget, no markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from memfactory_core.explain.inventions import Invention, find_inventions
from memfactory_core.explain.needs import Standing, course_in_words, standing
from memfactory_core.trace import Episode, Event, Failed, Recalled, Wrote, follow_facts, replay
from memfactory_core.types import Example, Memory


@dataclass(frozen=True)
class Section:
    """One observation: its text, the writes it led to, the memory before and after, and how each needed
    fact stands, in the order of the example's evidence. `inventions` are those of its writes that say what
    nobody has stated, by event number."""

    index: int
    text: str
    writes: tuple[Wrote, ...]
    before: tuple[Memory, ...]
    after: tuple[Memory, ...]
    standings: tuple[Standing, ...]
    inventions: dict[int, Invention]


def sections(example: Example, events: Sequence[Event]) -> list[Section]:
    """One entry for each observation that has been read so far."""
    holdings = follow_facts(example, events).values()
    inventions = find_inventions(example, events)
    by_observation: dict[int, list[Event]] = {}
    for event in events:
        if event.at is not None:
            by_observation.setdefault(event.at, []).append(event)
    last = max(by_observation, default=-1)
    found: list[Section] = []
    bank: dict[str, Memory] = {}
    end = past = 0
    for index in range(min(last + 1, len(example.observations))):
        here = by_observation.get(index, [])
        first, end = (here[0].seq, here[-1].seq + 1) if here else (end, end)
        # between two sections a user may have changed the bank by hand
        between = events[past:first] if here else ()
        before_bank = replay(between, bank=bank)
        before, bank = tuple(before_bank.values()), replay(here, bank=before_bank)
        past = end
        writes = tuple(event for event in here if isinstance(event, Wrote))
        found.append(
            Section(
                index, example.observations[index], writes, before, tuple(bank.values()),
                tuple(standing(holding, index, first, end) for holding in holdings),
                {w.seq: inventions[w.seq] for w in writes if w.seq in inventions},
            )
        )  # fmt: skip
    return found


def tell(episode: Episode) -> str:
    """One or two sentences: what became of the needed facts, and of the answer."""
    failure = next((e.error for e in episode.events if isinstance(e, Failed)), None)
    if failure:
        return f"A part failed and the episode ended there: {failure}"
    right = _answers_in_words(episode)
    if not episode.example.needed:
        return right or "This task does not say which facts were needed."
    read = 1 + max((event.at for event in episode.events if event.at is not None), default=-1)
    holdings = follow_facts(episode.example, episode.events).values()
    several = len(holdings) > 1
    parts = [
        f"{f'Needed fact {number}' if several else 'The needed fact'} "
        f"{course_in_words(holding, episode.events, read)}."
        for number, holding in enumerate(holdings, 1)
    ]
    return " ".join([*parts, right]).strip()


def _answers_in_words(episode: Episode) -> str:
    share, asked = episode.scores.get("exact_match"), len(episode.example.questions)
    if share is None:
        return ""
    if asked > 1:
        return f"{round(share * asked)} of {asked} answers are right."
    lost = episode.example.needed and episode.scores.get("kept") != 1
    verdict = "wrong" if share < 1 else "right all the same" if lost else "right"
    return f"The answer is {verdict}."


def read_for_answers(events: Sequence[Event]) -> dict[str, Recalled]:
    """What each question was answered from, by the question: its last recall, for a reranker recalls its candidates
    before it."""
    return {e.query: e for e in events if isinstance(e, Recalled) and e.at is None}
