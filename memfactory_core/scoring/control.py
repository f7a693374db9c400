"""The scrambled control: every question is answered from the memory of another text. Who answers from the memory falls
to chance; what stays above it was guessed from the question, or known before."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from memfactory_core.episode import Answering, Context, run_episodes
from memfactory_core.paradigms import Paradigm
from memfactory_core.text import normalize_answer
from memfactory_core.trace import Episode, replay
from memfactory_core.types import Example, Memory


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
    """The next episode about another text whose answers are all other ones, so that a right answer cannot be read in
    its memory by chance; None where there is none."""
    mine = episodes[index]
    answers = _answers(mine.example)
    for other in (*episodes[index + 1 :], *episodes[:index]):
        if other.example.text != mine.example.text and not answers & _answers(other.example):
            return other
    return None


def play_scrambled(
    paradigm: Paradigm, sampler: Answering, episodes: Sequence[Episode]
) -> list[Episode]:
    """Each episode's questions answered greedily from the memory that its partner's episode ended with; those without a
    partner are left out."""
    memories = {
        episode.example.id: list(replay(partner.events).values())
        for index, episode in enumerate(episodes)
        if (partner := find_partner(episodes, index))
    }
    examples = [episode.example for episode in episodes if episode.example.id in memories]
    return run_episodes(OtherMemory(paradigm, memories), sampler, examples, temperature=0.0)


def _answers(example: Example) -> set[str]:
    return {
        normalize_answer(answer) for q in example.questions for answer in (*q.answers, *q.all_of)
    }
