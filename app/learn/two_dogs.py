"""Lesson 4: two dogs (the case of Memory-R1, arXiv 2508.19828): is the second dog a new fact or a correction? Each
operation is carried out and scored; the story of docs/lesson-two-dogs.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.learn.course import Course
from app.learn.stored import link_to_stored
from app.markup.answers import answer_cards
from app.markup.sections import section_cards
from app.markup.tables import sentences_table
from app.shell.address import bind_to_address
from memfactory_core.episode import Answering, Ask, run_episodes
from memfactory_core.explain import story
from memfactory_core.paradigms.memory_r1 import MemoryR1
from memfactory_core.retrievers.everything import Everything
from memfactory_core.rewards import score
from memfactory_core.stores.ram import Ram
from memfactory_core.trace import Episode, replay
from memfactory_core.types import Completion, Evidence, Example

FIRST, SECOND = "Ann adopted a dog called Buddy.", "Ann adopted another dog called Scout."
CASE = Example(
    id="two-dogs", observations=(FIRST, SECOND), question="Which dogs has Ann?",
    answers=("Buddy and Scout",), evidence=(Evidence(text="Buddy"), Evidence(text="Scout")),
)  # fmt: skip
DECISIONS = {
    "NOOP: there is nothing to keep": "NOOP",
    "ADD: keep both sentences": f"ADD {SECOND}",
    "UPDATE: the second sentence takes the place of the first": f"UPDATE {FIRST} #1 to {SECOND}",
    "UPDATE: one memory that says both": f"UPDATE {FIRST} #1 to Ann adopted the dogs Buddy and Scout.",
    "DELETE the first": f"DELETE {FIRST} #1",
}
COSTS = range(0, 151, 5)
OUTCOMES = ("Buddy and Scout", "only Scout", "only Buddy", "nothing")


class Deciding(Answering):
    """Adds the first message, decides as it is told about the second, and answers with the names that it reads."""

    def __init__(self, decision: str) -> None:
        self.said = [f"ADD {FIRST}", decision]

    def complete(self, asks: Sequence[Ask], temperature: float) -> list[Completion]:
        """One decision after the other, then the answer."""
        return [
            Completion(text=self._answer(ask) if ask.role == "answer" else self.said.pop(0))
            for ask in asks
        ]

    def _answer(self, ask: Ask) -> str:
        return " and ".join(n for n in ("Buddy", "Scout") if n in ask.facts["memory"]) or "Unknown."


def play_decision(decision: str, cost: float = 0.15) -> Episode:
    """The case with one decision about the second dog; each memory at the end costs `cost`."""
    agent = MemoryR1(store=Ram(capacity=3), retriever=Everything())
    (episode,) = run_episodes(agent, Deciding(decision), [CASE], 0.0)
    weights = {"exact_match": 1.0, "kept": 0.5, "memories": -cost, "rejected": -0.2}
    return score(episode, weights)


def show_two_dogs(course: Course) -> bool:
    """The four steps; whether both checks were passed."""
    st.markdown(
        f"A memory manager reads two messages. *{FIRST}* It adds this as memory 1. Then: *{SECOND}* "
        "Later somebody asks: **Which dogs has Ann?**"
    )
    said = course.predict(
        "The manager takes the second message for a correction: UPDATE, the new sentence takes the place of the old "
        "one. What will the agent answer?", OUTCOMES,
    )  # fmt: skip
    if said is None:
        return False
    wrong = play_decision(DECISIONS["UPDATE: the second sentence takes the place of the first"])
    true = {"Buddy and Scout": 0, "Scout": 1, "Buddy": 2}.get(wrong.answer, 3)
    course.step(
        2, "Nothing was misread. The loss happened when memory was written, before anybody asked."
    )
    course.compare(said, true, OUTCOMES)
    _show(wrong)
    course.step(
        3,
        "Decide yourself. Each operation is carried out and paid: the answer 1, needed facts kept 0.5, and each "
        "memory at the end costs.",
    )
    left, right = st.columns([2, 1], gap="medium")
    names = list(DECISIONS)
    name = left.selectbox(
        "About the second dog", names, **bind_to_address("decision", names, names[1])
    )
    cost = right.slider(
        "A memory costs, hundredths", COSTS[0], COSTS[-1], step=5, **bind_to_address("cost", COSTS, 15)
    ) / 100  # fmt: skip
    st.html(sentences_table([_row(n, cost) for n in names], "All operations and what they earn"))
    _show(play_decision(DECISIONS[name], cost))
    _show_where_it_happens()
    course.step(4)
    best = max(names, key=lambda n: play_decision(DECISIONS[n]).reward)
    first = course.check_choice(
        "A memory costs 0.15, as in the recipe. Which operation earns most?", names, names.index(best),
        "Both dogs are kept, in one memory: the merge pays for one place instead of two.",
    )  # fmt: skip
    even = break_even()
    second = course.check_number(
        "At which cost of a memory does NOOP earn as much as ADD? Below it, keeping both is worth it.", even, 0.01,
        f"At {even:.2f}: ADD answers rightly and keeps both, for one memory more.", "even", 0.05, 2,
    )  # fmt: skip
    return first and second


def break_even() -> float:
    """The cost of a memory at which ADD and NOOP earn the same, from both episodes."""
    add, noop = (
        play_decision(DECISIONS[n], 0.0)
        for n in ("ADD: keep both sentences", "NOOP: there is nothing to keep")
    )
    more = add.scores["memories"] - noop.scores["memories"]
    return (add.reward - noop.reward) / more


def _row(name: str, cost: float) -> dict[str, Any]:
    one = play_decision(DECISIONS[name], cost)
    return {
        "Operation": name, "Memories": len(replay(one.events)), "Kept": f"{one.scores['kept']:.0%}",
        "Answer": one.answer, "Reward": round(one.reward, 2),
    }  # fmt: skip


def _show(episode: Episode) -> None:
    st.html(section_cards(CASE, story.sections(CASE, episode.events)))
    st.html(answer_cards(episode))


def _show_where_it_happens() -> None:
    st.markdown(
        "**In the small language** it is the same: *The pet of Bako is Zimo.* is in the bank, then comes *The car of "
        "Bako is Rilo.* They share a person and contradict nothing, so ADD is right. The shipped run *Memory-R1, tiny, "
        "CPU* tells the two apart, since its policy was taught to know again what a message is about. Until it was, "
        "training ended with every such fact taken for a change, whatever the reward (docs/results.md)."
    )
    link_to_stored("memory_r1", "Its decisions, right against done", "runs", tab="Decisions")
