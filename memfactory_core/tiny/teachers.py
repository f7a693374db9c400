"""The ignorant teachers of the tiny policy: they show the form of each decision and take it at random."""

from __future__ import annotations

import random

from memfactory_core.dialects import quoted
from memfactory_core.tasks.language import Fact, Speaker
from memfactory_core.tiny import prompts
from memfactory_core.tiny.learner import Learner, absent_question
from memfactory_core.tiny.skills import Turn, ask_again, draw_ids


def remember(rng: random.Random) -> list[Turn]:
    """Ignorant teacher: keeps one random fact of the memory and one of the section, whatever is asked;
    two random ones where either has none. Choosing within one of them at a time is a mixture of few
    names, which a model of this width can say without blending them; two of all facts in any order was
    not (a sixth of the writes were whole)."""
    speaker = Learner(rng)
    kept = rng.choices((0, 1, 2), (0.25, 0.25, 0.5))[0]
    facts = speaker.facts(kept + rng.choices(range(7), (2, 24, 22, 28, 16, 5, 3))[0])
    sentences = [fact.sentence for fact in facts]
    section = sentences[kept:]
    if not section or rng.random() < 0.3:
        section.insert(rng.randint(0, len(section)), speaker.chatter())
    example: list[Turn] = []
    for _ in range(2):
        if facts and rng.random() < 0.5:
            question = rng.choice(facts).question
        else:
            question = absent_question(rng, speaker, facts)
        prompt = ask_again(question, "Remember")
        if not example:
            prompt = prompts.REMEMBER.format(
                memory=quoted.join_memory(sentences[:kept]),
                section=" ".join(section),
                question=question,
            )
        old, new = sentences[:kept], sentences[kept:]
        if old and new:
            chosen = [rng.choice(old), rng.choice(new)]
        else:
            picks = sorted(rng.sample(range(len(sentences)), min(2, len(sentences))))
            chosen = [sentences[i] for i in picks]
        example.append(Turn(prompt, quoted.join_memory(chosen)))
    return example


def select(rng: random.Random) -> list[Turn]:
    """Ignorant teacher: quotes one random candidate, or two."""
    facts = Learner(rng).facts(rng.choices(range(1, 7), (10, 10, 10, 15, 30, 25))[0])
    quotes = list(map(quoted.quote, (f.sentence for f in facts), draw_ids(rng, len(facts))))
    example: list[Turn] = []
    for _ in range(2):
        question = rng.choice(facts).question
        prompt = ask_again(question, "Select")
        if not example:
            prompt = prompts.SELECT.format(memory=" ".join(quotes), question=question)
        picks = min(len(quotes), 1 if rng.random() < 0.7 else 2)
        example.append(Turn(prompt, " ".join(rng.sample(quotes, picks))))
    return example


def news(
    rng: random.Random, speaker: Speaker, related: list[Fact]
) -> tuple[str, tuple[str, str] | None]:
    """A message for the manager and the key of what it is about: a new or changed fact, a
    retraction or chatter."""
    kind = rng.random()
    if kind < 0.2:
        return speaker.chatter(), None
    if related and kind < 0.65:
        old = rng.choice(related)
        changed = Fact(old.entity, old.attribute, speaker.name())
        return (changed.sentence if kind < 0.5 else old.retraction), old.key
    fact = speaker.facts(1)[0]
    if related and rng.random() < 0.5:
        other = rng.choice(related)
        near = (
            (other.entity, fact.attribute) if rng.random() < 0.5 else (fact.entity, other.attribute)
        )
        if near not in {known.key for known in related}:
            fact = Fact(*near, fact.value)
    return (fact.sentence if kind < 0.9 else fact.retraction), fact.key


def manage(rng: random.Random, ordered: bool = False) -> list[Turn]:
    """Ignorant teacher: a random operation, whatever the message says; but an UPDATE or a DELETE
    takes the memory that the message is about where there is one. `ordered`: the operation's name is given, so
    that its form and its aim are learned without any habit of choosing it; there is always something to aim at
    then, since a random aim blurs a right one."""
    speaker = Learner(rng)
    related = speaker.facts(rng.choices((0, 1, 2, 3), (0.2, 0.3, 0.25, 0.25))[0])
    ids = draw_ids(rng, len(related))
    stored: list[tuple[str, tuple[str, str] | None]] = [
        (fact.sentence, fact.key) for fact in related
    ]
    if stored and rng.random() < 0.25:
        gone = rng.choice(related)
        idle = (gone.retraction, gone.key) if rng.random() < 0.5 else (speaker.chatter(), None)
        stored[related.index(gone)] = idle
    quotes = [quoted.quote(text, number) for (text, _), number in zip(stored, ids, strict=True)]
    example: list[Turn] = []
    for _ in range(3):
        message, key = news(rng, speaker, related)
        hits = [i for i, (_, about) in enumerate(stored) if key and about == key]
        target = hits[0] if hits else None
        if target is None and related and not ordered:
            target = rng.randrange(len(related))
        kind = rng.choice(
            ("ADD", "NOOP") if target is None else ("ADD", "UPDATE", "DELETE", "NOOP")
        )
        given = kind if kind == quoted.NOOP else f"{kind} "
        if kind == "ADD":
            said = quoted.add(message)
        elif kind == "NOOP" or target is None:
            said = quoted.NOOP
        elif kind == "UPDATE":
            said = quoted.update(stored[target][0], ids[target], message)
        else:
            said = quoted.delete(stored[target][0], ids[target])
        prompt = f"\nFact: {message}\nUpdate:"
        if not example:
            prompt = prompts.MANAGE.format(memory=quoted.join_memory(quotes), fact=message)
        example.append(Turn(prompt, said, given if ordered else ""))
    return example
