"""Sentences to begin with, made from the agent's own task."""

from __future__ import annotations

import random
from typing import NamedTuple

from memfactory_core.config import RunConfig
from memfactory_core.talk.hint import language_of
from memfactory_core.tasks.english import EnglishSpeaker
from memfactory_core.tasks.needle import Needle
from memfactory_core.tasks.spoken import AnySpeaker, Spoken


class Offer(NamedTuple):
    """A message that can be sent with a click, and what it shows."""

    label: str
    message: str


def offers(config: RunConfig, seed: int = 0) -> list[Offer]:
    """Something to remember with its question, from the task that the agent is measured on; then one fact that is told,
    asked for, changed and taken back, and chatter. In the agent's language: that of its task, else English. An agent
    that remembers for a question is told it with each."""
    language = language_of(config) or config.held_out
    spoken = language if isinstance(language, Spoken) else None
    rng = random.Random(f"offers {seed}")
    speaker: AnySpeaker = spoken.speaker(rng, "heldout") if spoken else EnglishSpeaker(rng)
    example = (spoken or Needle(language="english")).examples(1, seed, "heldout")[0]
    asked = next((q for q in example.questions if q.evidence), example.questions[0]).question
    told = " ".join(" ".join(section.split("\n")) for section in example.observations)
    (fact,) = speaker.facts(1)
    known = f" {fact.question}" if config.paradigm.updater.for_a_question else ""
    return [
        Offer("Tell and ask", f"{told} {asked}"),
        Offer("Tell", fact.sentence + known),
        Offer("Ask", fact.question),
        Offer("Change", speaker.change(fact).sentence + known),
        Offer("Take back", fact.retraction + known),
        Offer("Chat", speaker.chatter()),
    ]
