"""Lesson 1: what a memory policy decides. Programs and the tiny policy play one text; only what they keep differs."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import streamlit as st

from app.chat.agents import find_agent, samplers
from app.learn.course import Course
from app.markup.answers import answer_cards
from app.markup.safe_text import show_text
from app.markup.sections import section_cards
from app.markup.tables import sentences_table
from app.reads.examples import find_example
from app.shell.address import bind_to_address
from memfactory_core import config
from memfactory_core.config import RunConfig
from memfactory_core.episode import Answering, run_episodes
from memfactory_core.explain import story
from memfactory_core.policies.scripted import ScriptedSampler, Strategy
from memfactory_core.rewards import score
from memfactory_core.trace import Episode
from memfactory_core.types import Example

PROGRAMS: dict[str, Strategy] = {
    "keep the first facts that fit": "first",
    "keep the last facts that fit": "last",
    "keep everything": "everything",
    "keep what shares most words with the question": "overlap",
}
TINY = {"the tiny policy, untrained": True, "the tiny policy, trained": False}
"""Whether the policy is the one from before training."""
EXAMPLES = 12
MANY = 40
"""Held-out examples that the last question is about."""
SHARES = ("nearly none", "about a fifth", "about half", "nearly all")
MIDDLES = (0.0, 0.2, 0.5, 1.0)


def show_decides(course: Course) -> bool:
    """The four steps; whether the check was passed."""
    example = told_examples()[telling_example()]
    st.markdown(
        "An agent reads a text in three sections. Its memory has room for **64 characters**: two facts of three. "
        "After each section its policy writes the memory anew. At the end a question is answered from the "
        "memory alone, so nobody can look back."
    )
    _show_text(example)
    options = list(PROGRAMS)
    said = course.predict("Which of these four programs will answer rightly?", options)
    if said is None:
        return False
    course.step(2, "All four read the same sections. Here is what each kept and said.")
    played = {name: play_program(PROGRAMS[name], telling_example()) for name in options}
    right = next(i for i, name in enumerate(options) if played[name].scores["exact_match"] == 1)
    course.compare(said, right, options)
    rows = [_row(name, one) for name, one in played.items()]
    st.html(sentences_table(rows, "What each program kept"))
    with st.expander(f"Section by section: {options[said]}", expanded=True):
        _show_episode(played[options[said]])
    course.step(
        3, "Choose another policy or another text. What is in the memory at the end, and why?"
    )
    _play_another()
    course.step(4)
    share = share_right("first")
    nearest = min(range(len(MIDDLES)), key=lambda i: abs(MIDDLES[i] - share))
    return course.check_choice(
        f"Over {MANY} such texts: in how many does *keep the first facts that fit* answer rightly?",
        SHARES, nearest,
        f"It was {share:.0%} of {MANY}, counted just now. It reads as well as the others; what it lacks is the "
        "decision.",
    )  # fmt: skip


@lru_cache(maxsize=1)
def lesson_config() -> RunConfig:
    """The recipe that the lesson plays."""
    return config.load("memagent-tiny")


@lru_cache(maxsize=1)
def told_examples() -> list[Example]:
    """The texts of the lesson: held-out examples of the recipe."""
    return lesson_config().held_out.examples(MANY, 1, "heldout")


@lru_cache(maxsize=1)
def telling_example() -> int:
    """The first example that exactly one of the programs answers."""
    return next(
        i for i in range(EXAMPLES)
        if [play_program(one, i).scores["exact_match"] for one in PROGRAMS.values()].count(1) == 1
    )  # fmt: skip


def play(sampler: Answering, example: Example) -> Episode:
    """One scored episode."""
    (episode,) = run_episodes(lesson_config().paradigm, sampler, [example], 0.0)
    return score(episode, lesson_config().reward)


@lru_cache(maxsize=256)
def play_program(strategy: Strategy, number: int) -> Episode:
    """A program's episode of the example with this number."""
    return play(ScriptedSampler(strategy, 0), told_examples()[number])


def share_right(strategy: Strategy) -> float:
    """The share of all examples that a program answers rightly."""
    return sum(play_program(strategy, n).scores["exact_match"] for n in range(MANY)) / MANY


def _show_text(example: Example) -> None:
    sections = "".join(
        f'<div class="mf-part"><div class="mf-label">Section {number}</div>{show_text(text)}</div>'
        for number, text in enumerate(example.observations, 1)
    )
    asked = (
        f'<div class="mf-label">The question at the end</div><b>{show_text(example.question)}</b>'
    )
    st.html(f'<div class="mf mf-card">{sections}{asked}</div>')


def _row(name: str, episode: Episode) -> dict[str, Any]:
    last = story.sections(episode.example, episode.events)[-1].after
    return {
        "Policy": name, "Memory at the end": " ".join(m.text for m in last) or "(empty)",
        "Answer": episode.answer or "(none)",
        "Right": "yes" if episode.scores["exact_match"] else "no",
    }  # fmt: skip


def _show_episode(episode: Episode) -> None:
    sections = story.sections(episode.example, episode.events)
    st.html(section_cards(episode.example, sections, lesson_config().paradigm.store.open().budget))
    st.html(answer_cards(episode))


def _play_another() -> None:
    run = find_example("memagent")
    names = [*PROGRAMS, *(TINY if run else {})]
    left, right = st.columns(2, gap="medium")
    name = left.selectbox("Policy", names, **bind_to_address("policy", names, names[-1]))
    number = right.selectbox(
        "Text", range(1, EXAMPLES + 1), **bind_to_address("text", range(1, EXAMPLES + 1), 1)
    )
    if name in PROGRAMS:
        _show_episode(play_program(PROGRAMS[name], number - 1))
        return
    with st.spinner("The tiny policy reads."):
        agent = find_agent(f"run:{run.id}", before=TINY[name]) if run else None
        if agent:
            _show_episode(play(samplers.get(agent), told_examples()[number - 1]))
