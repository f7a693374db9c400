"""Lesson 8: find the cause. Stored episodes that ended wrongly; the student says why, the debugger answers."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import streamlit as st

from app.learn.course import Course
from app.learn.stored import link_to_stored, read_stored
from app.markup.answers import answer_cards
from app.markup.labels import cause_line
from app.markup.sections import section_cards
from app.shell.address import bind_to_address
from memfactory_core.errors import RunError
from memfactory_core.explain import moments, story
from memfactory_core.explain.causes import CAUSES, Finding, explain, primary
from memfactory_core.trace import Episode

OFFERED = ("overwritten", "deleted", "not_written", "no_room", "stale", "reader_error")
"""Causes that the student chooses among, and that the lesson has an episode of."""
SOURCES = (("memory_r1", "after/greedy"), ("memory_r1", "before/greedy"))


class Case(NamedTuple):
    """A stored episode that failed, where it lies, and what the debugger found."""

    run: str
    phase: str
    episode: Episode
    finding: Finding


@lru_cache(maxsize=1)
def find_cases() -> tuple[Case, ...]:
    """One episode for each cause, those in which least else went wrong first."""
    found: dict[str, Case] = {}
    share: dict[str, float] = {}
    for run, phase in SOURCES:
        for episode in read_stored(run, phase):
            finding = primary(explain(episode))
            right = episode.scores.get("exact_match", 0.0)
            if finding is None or finding.cause not in OFFERED or finding.seq is None:
                continue
            if right > share.get(finding.cause, -1.0):
                found[finding.cause] = Case(run, phase, episode, finding)
                share[finding.cause] = right
    return tuple(found[cause] for cause in OFFERED if cause in found)


def section_of(case: Case) -> int:
    """The section, from 1, in which the deciding event lies."""
    at = case.episode.events[case.finding.seq or 0].at
    return len(case.episode.example.observations) if at is None else at + 1


def show_cause(course: Course) -> bool:
    """The four steps; whether the check was passed."""
    cases = find_cases()
    if len(cases) < 3:
        raise RunError("the example runs hold too few failed episodes for this lesson")
    st.markdown(
        "An agent kept a bank of three memories over a conversation and answered a question wrongly. These are stored "
        "episodes of the shipped run *Memory-R1, tiny, CPU*. Read what was read and what was done, and say why."
    )
    causes = [cause for cause in OFFERED if cause in {case.finding.cause for case in cases}]
    options = [f"{cause.replace('_', ' ')}: {CAUSES[cause]}" for cause in causes]
    first = cases[0]
    with st.container(border=True):
        _show_question(first)
    with st.expander("What was read and done", expanded=True):
        _show_plain(first.episode)
    said = course.predict("Why was this answered wrongly?", options)
    if said is None:
        return False
    course.step(
        2,
        "The debugger follows the needed fact through the trace: when it was told, when memory held it, which "
        "event took it away.",
    )
    course.compare(said, causes.index(first.finding.cause), options)
    _show_found(first)
    course.step(3, "Try others. Choose an episode, say the cause, then open the debugger's answer.")
    number = st.selectbox(
        "Episode", range(2, len(cases) + 1), **bind_to_address("case", range(2, len(cases) + 1), 2)
    )
    other = cases[number - 1]
    _show_question(other)
    with st.expander("What was read and done", expanded=True):
        _show_plain(other.episode)
    with st.expander("What the debugger says", icon=":material/visibility:"):
        _show_found(other)
    course.step(4)
    asked = cases[-1] if cases[-1].finding.cause != "reader_error" else cases[-2]
    st.markdown("One more episode, without help:")
    _show_question(asked)
    with st.expander("What was read and done"):
        _show_plain(asked.episode)
    right = asked.finding.cause
    one = course.check_choice(
        "Its cause is ...",
        options,
        causes.index(right),
        f"It was {right.replace('_', ' ')}: {CAUSES[right]}.",
    )
    two = course.check_number(
        "In which section lies the event that decided it?", section_of(asked), 0.0,
        f"In section {section_of(asked)}; the debugger names event {asked.finding.seq}.", "section",
    )  # fmt: skip
    return one and two


def _show_question(case: Case) -> None:
    """The question that failed, with its answer and the right one."""
    number = case.finding.question
    alone = case.episode.example.single_questions[number]
    answers = [case.episode.answer, *case.episode.other_answers]
    shown = case.episode.model_copy(
        update={
            "example": alone.model_copy(update={"evidence": ()}),
            "answer": answers[number],
            "other_answers": (),
        }
    )
    st.html(answer_cards(shown))


def _show_plain(episode: Episode) -> None:
    """The sections without any word on what became of needed facts: that is the question."""
    quiet = episode.example.model_copy(update={"evidence": (), "others": ()})
    sections = story.sections(quiet, episode.events)
    st.html(section_cards(quiet, sections))


def _show_found(case: Case) -> None:
    timeline = moments.moments(case.episode)
    moment = timeline[moments.find(timeline, case.finding.seq)]
    told = case.finding.evidence.text if case.finding.evidence else "nothing: it was taken back"
    st.html(cause_line(case.finding.cause))
    st.markdown(f"Needed: *{told}* Decided in **{moment.title}**, event {case.finding.seq}.")
    section = story.sections(case.episode.example, case.episode.events)[section_of(case) - 1]
    st.html(section_cards(case.episode.example, [section]))
    link_to_stored(
        case.run, "The event in the debugger", "episode", phase=case.phase,
        episode=case.episode.id, view="steps", event=str(case.finding.seq),
    )  # fmt: skip
