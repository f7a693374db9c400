"""What the tiny policy is taught: copying, reading, and the forms of decisions taken at random.

An example is a list of turns over one context; the first turn is a whole prompt, each further one
asks again from its last lines. The teachers of `remember`, `manage` and `select` never look at the
question.
"""

from __future__ import annotations

import random
import string
from typing import NamedTuple

from memfactory_core.dialects import quoted
from memfactory_core.tasks.language import ATTRIBUTES, CONSONANTS, Fact, Speaker, Split, split_of
from memfactory_core.tiny import prompts


class Turn(NamedTuple):
    """What is asked and what is to be said; `given` is a beginning of the completion that is shown and not
    learned: the choice is another's, carrying it out is the lesson."""

    prompt: str
    completion: str
    given: str = ""


FREE = 0.06
"""Share of names that are a person's own words: spelled letter by letter, they are slow to learn."""


class Learner(Speaker):
    """A speaker who also uses a person's own words: `free` of the names are arbitrary letters or
    digits, and half as many of the attributes arbitrary lower-case words."""

    def __init__(
        self, rng: random.Random, split: Split = "train", free: float | None = None
    ) -> None:
        super().__init__(rng, split)
        self.free = FREE if free is None else free

    def name(self) -> str:
        """A syllable name or, at the rate `free`, any word."""
        if self.rng.random() >= self.free:
            return super().name()
        while True:
            name = free_name(self.rng)
            if name not in self._used and split_of(name) == self.split:
                self._used.add(name)
                return name

    def facts(self, count: int, near: float = 0.5) -> list[Fact]:
        """Facts as `Speaker.facts` draws them, some attributes replaced everywhere by a free
        word."""
        facts = super().facts(count, near)
        taken = set(ATTRIBUTES)
        own = {}
        for attribute in dict.fromkeys(fact.attribute for fact in facts):
            word = attribute
            if self.rng.random() < self.free / 2:
                while word in taken:
                    word = free_word(self.rng)
            taken.add(word)
            own[attribute] = word
        return [Fact(fact.entity, own[fact.attribute], fact.value) for fact in facts]


def free_word(rng: random.Random) -> str:
    """A lower-case word of 3 to 9 letters: any letters, or clusters that alternate as in
    English."""
    length = rng.randint(3, 9)
    if rng.random() < 0.4:
        return "".join(rng.choices(string.ascii_lowercase, k=length))
    word, vowel = "", rng.random() < 0.3
    while len(word) < length:
        letters = "aeiouy" if vowel else CONSONANTS + "cqwx"
        word += "".join(rng.choices(letters, k=rng.choice((1, 1, 2))))
        vowel = not vowel
    return word[:length]


def free_name(rng: random.Random) -> str:
    """A capitalised word, a number, a title and a word, or two words."""
    kind = rng.random()
    if kind < 0.1:
        return "".join(rng.choices(string.digits, k=rng.randint(1, 4)))
    if kind < 0.15:
        return free_word(rng)
    word = free_word(rng).capitalize()
    if kind < 0.25:
        return f"{rng.choice(('Mr', 'Mrs', 'Dr', 'New', 'San'))} {word[:6]}"
    return word


def absent_question(rng: random.Random, speaker: Speaker, facts: list[Fact]) -> str:
    """A question that none of the facts answers, often about an entity or an attribute that they
    name."""
    keys = {fact.key for fact in facts}
    while True:
        entity, attribute = speaker.name(), rng.choice(ATTRIBUTES)
        if facts:
            chance = rng.random()
            if chance < 0.75:
                entity = rng.choice(facts).entity
            if chance > 0.4:
                attribute = rng.choice(facts).attribute
        if (entity, attribute) not in keys:
            return Fact(entity, attribute, "").question


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


def practise(rng: random.Random, low: int = 1, high: int = 4) -> list[Turn]:
    """One example of pure skill over `low` to `high` facts."""
    kind = rng.random()
    if kind < 0.5:
        return read(rng, low, high)
    return cite(rng, low, high) if kind < 0.7 else repeat(rng, low, high)


def mature(rng: random.Random) -> list[Turn]:
    """One example of everything but remembering: reading grows exact while the manager's and the reranker's
    ignorant teachers are imitated."""
    kind = rng.random()
    if kind < 0.28:
        return manage(rng, ordered=True)
    if kind < 0.40:
        return select(rng)
    if kind < 0.62:
        return read(rng, 0, 5, turns=3, absent=0.35)
    if kind < 0.75:
        return read(rng, 4, 12, turns=3, absent=0.3)
    return practise(rng, 2, 6)


def demonstrate(rng: random.Random) -> list[Turn]:
    """One example of the last stage, in which remembering and choosing an operation are met for the first
    time, and soon ends: a model that was taught long to ignore the question needs as long to listen to it
    again."""
    kind = rng.random()
    if kind < 0.35:
        return remember(rng)
    return manage(rng) if kind < 0.6 else mature(rng)


def random_segments(
    rng: random.Random, ids: list[int], mark: int, size: int = 72
) -> tuple[list[int], list[bool]]:
    """About `size` tokens in which one to four random segments, each closed by `mark`, come back in
    shuffled orders, and which tokens are learned: all of the repeats. Where a segment starts the
    next one is open, which is how choosing at random is first met."""
    segments = [[*rng.choices(ids, k=rng.randint(2, 5)), mark] for _ in range(rng.randint(1, 4))]
    sequence = [token for segment in segments for token in segment]
    learned = [False] * len(sequence)
    while len(sequence) < size:
        for segment in rng.sample(segments, len(segments)):
            sequence += segment
            learned += [True] * (len(segment) - 1) + [False]
    return sequence, learned
