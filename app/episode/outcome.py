"""What came of a what-if, beside what came without the change."""

from __future__ import annotations

import random
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import streamlit as st

from app.markup.answers import answer_cards
from app.markup.labels import figures_row
from app.markup.safe_text import one_line
from app.markup.sections import section_cards
from app.markup.tables import sentences_table
from memfactory_core.explain import story
from memfactory_core.explain.what_if import Outcome
from memfactory_core.rewards.answers import is_right

SHUFFLES = 2000
SHOWN_ANSWERS, SHOWN_HEIGHT = 8, 300
"""New attempts that are seen without scrolling, and the pixels that they take."""


def show_outcome(same: Outcome, changed: Outcome) -> None:
    """Both outcomes as figures, and what their difference means."""
    st.html(figures_row({
        "Reward, recorded": f"{changed.before:+.2f}",
        "Played again unchanged": f"{same.after:+.2f}",
        "With the change": f"{changed.after:+.2f}",
        "Right with the change": f"{changed.exact_match_after:.0%}",
    }))  # fmt: skip
    judgement = judge_difference(
        [e.reward for e in same.episodes], [e.reward for e in changed.episodes]
    )
    st.caption(
        f"Means of {changed.samples} attempts at temperature 1, with 95% intervals: unchanged "
        f"{_describe_bounds(same)}, with the change {_describe_bounds(changed)}. {judgement}"
    )


def show_attempts(changed: Outcome) -> None:
    """The new attempts in a table, and one of them section by section."""
    episodes = changed.episodes
    answers: list[dict[str, Any]] = [
        {
            "Attempt": number, "Answer": one_line(one.answer, 200), "Reward": round(one.reward, 3),
            "Right": "yes" if is_right(one.answer, one.example.questions[0]) else "no",
        }
        for number, one in enumerate(episodes, 1)
    ]  # fmt: skip
    with st.container(
        height=SHOWN_HEIGHT if len(answers) > SHOWN_ANSWERS else "content", border=False
    ):
        st.html(sentences_table(answers, "The new attempts"))
    number = st.selectbox("Look at attempt", range(1, len(episodes) + 1), key="what-if.look")
    one = episodes[min(number, len(episodes)) - 1]
    sections = story.sections(one.example, one.events)
    with st.container(height=420):
        st.html(section_cards(one.example, sections[:30]) + answer_cards(one))


def _describe_bounds(outcome: Outcome) -> str:
    if outcome.low is None or outcome.high is None:
        return "none (a single attempt)"
    return f"{outcome.low:+.2f} to {outcome.high:+.2f}"


def judge_difference(same: Sequence[float], changed: Sequence[float]) -> str:
    """What two lists of rewards tell, in words. Small samples' intervals are too narrow, so the
    difference is judged by how often shuffled rewards differ as much."""
    difference = fmean(changed) - fmean(same)
    if abs(difference) < 1e-9:
        return "The means are the same."
    pool, size, rng = [*same, *changed], len(same), random.Random(0)
    as_large = 0
    for _ in range(SHUFFLES):
        rng.shuffle(pool)
        as_large += abs(fmean(pool[size:]) - fmean(pool[:size])) >= abs(difference) - 1e-9
    chance = as_large / SHUFFLES
    if chance >= 0.05:
        return (
            f"By chance alone the two differ as much in {chance:.0%} of cases: "
            "so few attempts tell nothing."
        )
    share = "less than 1%" if chance < 0.01 else f"{chance:.0%}"
    helps = "helps" if difference > 0 else "harms"
    return f"The change {helps}: by chance alone the two differ as much in {share} of cases."
