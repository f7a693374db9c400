"""What the tiny policy is able to do before it decides anything: read, quote what answers, know again what a
message is about, say a memory again. An example is a list of turns over one context; the first turn is a whole
prompt, each further one asks again from its last lines."""

from __future__ import annotations

import random
from typing import NamedTuple

from memfactory_core.dialects import quoted
from memfactory_core.tasks.language import Fact
from memfactory_core.tiny import prompts
from memfactory_core.tiny.learner import Learner, absent_question, near_miss


class Turn(NamedTuple):
    """What is asked and what is to be said; `given` is a beginning of the completion that is shown and not
    learned: the choice is another's, carrying it out is the lesson."""

    prompt: str
    completion: str
    given: str = ""


def ask_again(question: str, cue: str) -> str:
    """A further question over the context that stands already."""
    return f"\nQuestion: {question}\n{cue}:"


def draw_ids(rng: random.Random, count: int) -> list[int]:
    """Distinct ids of memories, in no order."""
    return rng.sample(range(1, 31), count)


def read(
    rng: random.Random, low: int, high: int, turns: int = 4, absent: float = 0.3
) -> list[Turn]:
    """Skill: questions over a memory, or a memory and a text; the answer copies the fact that
    answers. Reading is literal: of what "is gone" it says that it is gone."""
    speaker = Learner(rng)
    facts = speaker.facts(rng.randint(low, high)) if high else []
    sentences = [fact.sentence for fact in facts]
    form, cut = prompts.ANSWER, len(facts)
    if facts and rng.random() < 0.4:
        form, cut = prompts.READ_TEXT, rng.randint(0, min(3, len(facts) - 1))
    stored, section = sentences[:cut], sentences[cut:]
    if section and rng.random() < 0.3:
        section.insert(rng.randint(0, len(section)), speaker.chatter())
    known, absences = list(facts), []
    if stored and rng.random() < 0.3:
        place = rng.randrange(cut)
        gone = known.pop(place)
        if rng.random() < 0.5:
            stored[place] = gone.retraction
            known.append(Fact(gone.entity, gone.attribute, "gone"))
        else:
            stored[place] = speaker.chatter()
            absences = [gone.question]
    example: list[Turn] = []
    for _ in range(turns):
        if known and rng.random() >= absent:
            fact = rng.choice(known)
            question, answer = fact.question, fact.sentence
        else:
            question = rng.choice([*absences, absent_question(rng, speaker, facts)])
            answer = prompts.UNKNOWN
        prompt = ask_again(question, "Answer")
        if not example:
            memory = quoted.join_memory(stored)
            prompt = form.format(memory=memory, section=" ".join(section), question=question)
        example.append(Turn(prompt, answer))
    return example


def cite(rng: random.Random, low: int, high: int, turns: int = 4) -> list[Turn]:
    """Skill: quote with its id the memory that answers; sometimes give the answer without the
    id."""
    facts = Learner(rng).facts(rng.randint(low, high))
    sentences = [fact.sentence for fact in facts]
    quotes = list(map(quoted.quote, sentences, draw_ids(rng, len(facts))))
    memory = quoted.join_memory(quotes)
    example: list[Turn] = []
    for _ in range(turns):
        i = rng.randrange(len(facts))
        cue, said = ("Quote", quotes[i]) if rng.random() < 0.85 else ("Answer", sentences[i])
        prompt = ask_again(facts[i].question, cue)
        example.append(Turn(prompt if example else f"Memory: {memory}{prompt}", said))
    return example


def recognise(rng: random.Random, turns: int = 4) -> list[Turn]:
    """Skill: quote with its id the memory that a message is about, which changes it or takes it back; "Unknown."
    where there is none. Half of the messages are of the second kind, and most of these share the person or the
    attribute with a memory: likeness shows in one word, sameness in two."""
    speaker = Learner(rng)
    facts = speaker.facts(rng.choices((1, 2, 3, 4), (0.25, 0.25, 0.3, 0.2))[0])
    ids = draw_ids(rng, len(facts))
    quotes = [quoted.quote(fact.sentence, i) for fact, i in zip(facts, ids, strict=True)]
    example: list[Turn] = []
    for _ in range(turns):
        kind = rng.random()
        if kind < 0.5:
            place = rng.randrange(len(facts))
            about, said = speaker.change(facts[place]), quotes[place]
        else:
            about, said = near_miss(rng, speaker, facts), prompts.UNKNOWN
        message = about.sentence if rng.random() < 0.7 else about.retraction
        if kind > 0.95:
            message = speaker.chatter()
        prompt = f"\nFact: {message}\nQuote:"
        if not example:
            prompt = prompts.RECOGNISE.format(memory=quoted.join_memory(quotes), fact=message)
        example.append(Turn(prompt, said))
    return example


def repeat(rng: random.Random, low: int, high: int) -> list[Turn]:
    """Skill: say the whole memory again in any order, the grain of every random choice."""
    speaker = Learner(rng)
    count = min(rng.randint(low, high), rng.randint(1, high))
    said = [fact.sentence for fact in speaker.facts(count)]
    said += [speaker.chatter()] if rng.random() < 0.3 else []
    if rng.random() < 0.5:
        said = list(map(quoted.quote, said, draw_ids(rng, len(said))))
    again = rng.sample(said, len(said))
    return [Turn(f"Memory: {quoted.join_memory(said)}\nRepeat:", quoted.join_memory(again))]
