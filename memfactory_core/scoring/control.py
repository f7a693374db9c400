"""The scrambled control: every question is answered from the memory of another text. Who answers from the memory falls
to chance; what stays above it was guessed from the question, or known before."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from memfactory_core.episode import Answering, Context, run_episodes
from memfactory_core.paradigms import Paradigm
from memfactory_core.text import contains_words
from memfactory_core.trace import Episode, replay
from memfactory_core.types import Example, Memory

LOOKED_AT = 100
"""Episodes among which another memory is looked for: the cost stays linear where all answers are alike."""


@dataclass(frozen=True)
class OtherMemory:
    """A paradigm that reads nothing and answers from what it is given."""

    paradigm: Paradigm
    memories: Mapping[str, Sequence[Memory]]
    """By the example's id."""

    def start(self, example: Example) -> Context:
        """A context whose bank holds the other text's memories."""
        context = self.paradigm.start(example)
        given = self.memories[example.id]
        next_id = max((int(memory.id) for memory in given), default=0) + 1
        context.begin_with(given, next_id, "scrambled control: the memory of another text")
        return context

    def play(self, context: Context) -> Generator[Any, Any, list[str]]:
        """Answers every question of the example."""
        questions = [question.question for question in context.example.questions]
        return (yield from self.paradigm.answer(questions, context))


def find_partner(episodes: Sequence[Episode], index: int) -> Episode | None:
    """The next episode about another text whose memory holds none of this one's answers, so that a right answer cannot
    be read there by chance; None where none of the next LOOKED_AT is such."""
    mine = episodes[index].example
    answers = {answer for q in mine.questions for answer in (*q.answers, *q.all_of)}
    for step in range(1, min(LOOKED_AT + 1, len(episodes))):
        other = episodes[(index + step) % len(episodes)]
        held = " ".join(memory.text for memory in replay(other.events).values())
        if other.example.text != mine.text and not any(contains_words(held, a) for a in answers):
            return other
    return None


def play_scrambled(
    paradigm: Paradigm, sampler: Answering, episodes: Sequence[Episode], at_once: int = 256
) -> list[Episode]:
    """Each episode's questions answered greedily, `at_once` episodes at a time, from the memory that its partner's
    episode ended with; those without a partner are left out."""
    memories = {
        episode.example.id: list(replay(partner.events).values())
        for index, episode in enumerate(episodes)
        if (partner := find_partner(episodes, index))
    }
    given = OtherMemory(paradigm, memories)
    examples = [episode.example for episode in episodes if episode.example.id in memories]
    return [
        played
        for start in range(0, len(examples), at_once)
        for played in run_episodes(given, sampler, examples[start : start + at_once], 0.0)
    ]
