"""Policies that are programs: honest baselines for real data, and known strategies whose scores can be
computed by hand. All but `clairvoyant` see only what any policy sees."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from memfactory_core.dialects import Dialect
from memfactory_core.dialects.quoted import Quoted
from memfactory_core.episode import Ask, Sampler
from memfactory_core.policies import Policy
from memfactory_core.policies.contradiction import same_subject, value_of
from memfactory_core.tasks.sentences import split_sentences
from memfactory_core.tasks.spoken import (
    is_made_up,
    read_fact,
    read_question,
    read_retraction,
    states_nothing,
)
from memfactory_core.text import STOP_WORDS, words
from memfactory_core.trace import holds, words_line
from memfactory_core.types import Action, Completion, Memory, Op, Seed

Strategy = Literal["overlap", "everything", "nothing", "first", "last", "random", "clairvoyant"]


class ScriptedSampler(Sampler):
    """Writes by a fixed strategy and reads as well as a program can."""

    def __init__(self, strategy: Strategy, seed: int, dialect: Dialect | None = None) -> None:
        self.strategy = strategy
        self.own_seed = seed
        self.random = random.Random(seed)
        self.dialect = dialect or Quoted()

    def dialect_of(self, role: str) -> Dialect:
        """The dialect in which it writes, whatever the role."""
        return self.dialect

    def seed(self, seed: int) -> None:
        """The random strategy draws anew; its own seed goes on telling it from others."""
        self.random = random.Random(f"{self.own_seed} {seed}")

    def state(self) -> dict[str, Any]:
        """The state of its generator."""
        return {"random": self.random.getstate()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Sets the generator to a state that `state` returned."""
        version, numbers, gauss = state["random"]
        self.random.setstate((version, tuple(numbers), gauss))

    def complete(self, asks: Sequence[Ask], temperature: float) -> list[Completion]:
        """One completion for each ask; the temperature changes nothing."""
        return [Completion(text=self._respond(ask)) for ask in asks]

    def _respond(self, ask: Ask) -> str:
        dialect = self.dialect_of(ask.role)
        if ask.role == "answer":
            said = self._answer(ask)
            told = dialect.write_answer(said)
            return (
                dialect.write_citations(self._cited(ask, said), told)
                if ask.facts.get("cites")
                else told
            )
        if ask.role == "update":
            return self._rewrite(ask)
        if ask.role in ("manage", "merge"):
            merging = ask.role == "merge"
            op = self._merge(ask) if merging else self._manage(ask)
            return dialect.write_operation(op, ask.facts["related"], merging)
        if ask.role == "rerank":
            return dialect.write_choice(self._choose(ask))
        if ask.role == "extract":
            return dialect.write_facts(self._extract(ask))
        if ask.role == "search":
            return dialect.write_query(self._search(ask))
        if ask.role == "index":
            return " ".join(w for w in words(ask.facts["text"]) if w not in STOP_WORDS) or "-"
        raise ValueError(f"the scripted policy does not know the role {ask.role!r}")

    def _answer(self, ask: Ask) -> str:
        sentences = split_sentences(ask.facts["memory"])
        asked = read_question(ask.facts["question"])
        for sentence in sentences:
            fact = read_fact(sentence)
            if fact and fact.key == asked:
                return fact.value
        if asked and all(map(is_made_up, sentences)):
            return "Unknown."
        if len(ask.facts["memories"]) == 1:
            return value_of(ask.facts["memories"][0].text)
        best = rank_by_overlap(sentences, ask.facts["question"])
        return best[0] if best else "Unknown."

    def _rewrite(self, ask: Ask) -> str:
        """The new memory of an update turn, sentences joined by single spaces."""
        old = split_sentences(ask.facts["memory"])
        new = split_sentences(ask.facts["section"])
        sentences = list(dict.fromkeys([*old, *new]))
        if self.strategy == "everything":
            return " ".join(sentences)
        if self.strategy == "nothing":
            return ""
        budget = ask.facts["budget"]
        if self.strategy == "first":
            return fill(sentences, budget)
        if self.strategy == "last":
            return fill(sentences[::-1], budget)
        if self.strategy == "random":
            return fill(self.random.sample(sentences, len(sentences)), budget)
        if self.strategy == "clairvoyant":
            known = f"{ask.facts['memory']} {ask.facts['section']}"
            needed = [item.text for item in ask.example.evidence if holds(known, item)]
            return fill(list(dict.fromkeys([*needed, *sentences])), budget)
        return fill(rank_by_overlap(sentences, ask.facts["question"]), budget)

    def _manage(self, ask: Ask) -> Op:
        """One operation: everything adds, nothing never does, first adds facts only, last also updates, random
        takes any operation on any memory; the others do what the sentence says."""
        text, related = ask.facts["fact"], ask.facts["related"]
        if self.strategy in ("everything", "nothing"):
            return _operation("add" if self.strategy == "everything" else "noop", None, text)
        if self.strategy == "random":
            target = self.random.choice(related) if related else None
            actions: tuple[Action, ...] = ("add", "noop")
            if target:
                actions = ("add", "noop", "update", "delete")
            return _operation(self.random.choice(actions), target, text)
        told, taken = read_fact(text), read_retraction(text)
        about = told.key if told else taken
        target = next((m for m in related if _is_about(m.text, about, text)), None)
        if told or not states_nothing(text):
            changes = target is not None and self.strategy != "first"
            return _operation("update" if changes else "add", target, text)
        deletes = target is not None and self.strategy not in ("first", "last")
        return _operation("delete" if deletes else "noop", target, text)

    def _merge(self, ask: Ask) -> Op:
        """One operation: random adds or merges into any memory, first, last, everything and nothing add; the others
        merge what says something of the same thing."""
        text, related = ask.facts["fact"], ask.facts["related"]
        target: Memory | None = None
        if self.strategy == "random":
            target = self.random.choice([None, *related])
        elif self.strategy in ("overlap", "clairvoyant"):
            told = read_fact(text)
            target = next(
                (m for m in related if _is_about(m.text, told.key if told else None, text)), None
            )
        if target is None:
            return _operation("add", None, text)
        return _operation("update", target, f"{target.text} {text}")

    def _extract(self, ask: Ask) -> list[str]:
        """The sentences that are facts: everything, nothing, the first, the last, each by chance, or those that
        state something. A topic is a sentence with the words that were said, which are the same here."""
        told = split_sentences(ask.facts["observation"])
        if self.strategy == "nothing":
            told = []
        elif self.strategy in ("first", "last"):
            told = told[:1] if self.strategy == "first" else told[-1:]
        elif self.strategy == "random":
            told = [sentence for sentence in told if self.random.random() < 0.5]
        elif self.strategy != "everything":
            told = [sentence for sentence in told if not states_nothing(sentence)]
        return [f"{one} | {one}" for one in told] if ask.facts.get("topics") else told

    def _choose(self, ask: Ask) -> list[Memory]:
        """The candidates to read: all, none, the first, the last, a random one, or the best."""
        candidates: list[Memory] = ask.facts["candidates"]
        if self.strategy in ("everything", "nothing"):
            chosen = candidates if self.strategy == "everything" else []
        elif self.strategy in ("first", "last"):
            chosen = candidates[:1] if self.strategy == "first" else candidates[-1:]
        elif self.strategy == "random":
            chosen = [self.random.choice(candidates)]
        elif self.strategy == "clairvoyant":
            needed = ask.example.needed
            chosen = [m for m in candidates if any(holds(m.text, item) for item in needed)]
        else:
            best = rank_by_overlap([m.text for m in candidates], ask.facts["question"])[0]
            chosen = [m for m in candidates if m.text == best][:1]
        return chosen

    def _search(self, ask: Ask) -> str:
        """A query: nothing never looks, random does by chance, clairvoyant where something is needed; all search for
        the question's own words."""
        looks = self.strategy != "nothing"
        if self.strategy == "random":
            looks = self.random.random() < 0.5
        if self.strategy == "clairvoyant":
            asked = ask.facts["question"]
            looks = any(q.evidence for q in ask.example.questions if q.question == asked)
        return ask.facts["question"] if looks else ""

    def _cited(self, ask: Ask, said: str) -> list[Memory]:
        """The memories in which the answer stands."""
        told = words_line(said)
        return [m for m in ask.facts["memories"] if told and told in words_line(m.text)]


def _is_about(memory: str, about: tuple[str, str] | None, text: str) -> bool:
    """Whether a memory says something of the same thing as a text, whose fact has the key `about`."""
    fact = read_fact(memory)
    return fact.key == about if fact and about else same_subject(memory, text)


def _operation(action: Action, target: Memory | None, text: str) -> Op:
    if action == "add":
        return Op(action="add", text=text)
    if action == "noop" or target is None:
        return Op(action="noop")
    return Op(action=action, memory_id=target.id, text=text if action == "update" else None)


def rank_by_overlap(sentences: Sequence[str], question: str) -> list[str]:
    """The sentences by how many of the question's telling words they share, most first; ties keep order."""
    wanted = set(words(question)) - STOP_WORDS
    return sorted(sentences, key=lambda s: -len(wanted & set(words(s))))


def fill(sentences: Sequence[str], budget: int) -> str:
    """The sentences in order, each taken if it still fits into `budget` characters."""
    taken: list[str] = []
    room = budget
    for sentence in sentences:
        if len(sentence) + bool(taken) <= room:
            room -= len(sentence) + bool(taken)
            taken.append(sentence)
    return " ".join(taken)


class Scripted(Policy, kind="scripted"):
    """A fixed strategy instead of a model: a baseline that needs no training."""

    copies: ClassVar[bool] = True  # by itself: it never writes but whole sentences
    not_learned: ClassVar[tuple[str, ...]] = ("judge",)
    strategy: Strategy = "overlap"
    """What it keeps: the sentences that overlap most with the question, everything, nothing, the first, the
    last or random ones; `clairvoyant` knows the evidence and shows what is possible."""
    seed: Seed = 0
    """Seed of the random strategy."""

    def sampling(self, temperature: float) -> dict[str, float]:
        """Nothing: a program draws from no distribution over tokens."""
        return {}

    def load(self, weights: Path | None = None) -> ScriptedSampler:
        """The strategy, ready to answer; there are no weights."""
        return ScriptedSampler(self.strategy, self.seed, self.dialect)
