"""Lesson 3: why a bounded memory lasts and a full context does not. Both are really played, at every length; what is
measured is the longest text that the policy has to read at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import plotly.graph_objects as go
import streamlit as st

from app.learn.course import Course
from app.run.charts import DASHES, PALETTE, layout
from app.shell.address import bind_to_address
from app.shell.widgets import show_chart, table_with_download
from memfactory_core.episode import Ask, run_episodes
from memfactory_core.paradigms import Paradigm
from memfactory_core.paradigms.memagent import MemAgent
from memfactory_core.paradigms.retrieval import Retrieval
from memfactory_core.policies.scripted import ScriptedSampler, Strategy
from memfactory_core.retrievers.everything import Everything
from memfactory_core.rewards import score
from memfactory_core.stores.buffer import Buffer
from memfactory_core.tasks.needle import Needle
from memfactory_core.types import Completion, Example

LENGTHS = (2, 4, 8, 16, 32, 64, 128)
ROOMS = (32, 64, 128, 256, 512)
WINDOWS = (1000, 2000, 4000, 8000)
CHECKED_WINDOW = 3000
"""Characters of the window that the last question is about: none of those that can be chosen."""
PLAYED = 12
"""Episodes behind a share."""
GROWTHS = (
    "about 16 times as long", "about twice as long", "as long as before, within a tenth",
)  # fmt: skip
POLICIES: dict[str, Strategy] = {
    "keeps what the question asks for": "overlap", "keeps the first facts that fit": "first",
    "keeps the last facts that fit": "last",
}  # fmt: skip


class Reading(ScriptedSampler):
    """A program that also notes the longest text it had to read at once."""

    longest = 0

    def complete(self, asks: Sequence[Ask], temperature: float) -> list[Completion]:
        """As the program answers; prompts are measured in characters."""
        for ask in asks:
            length = sum(len(message["content"]) for message in ask.messages)
            self.longest = max(self.longest, length)
        return super().complete(asks, temperature)


def show_bounded(course: Course) -> bool:
    """The four steps; whether the check was passed."""
    st.markdown(
        "Two agents read the same text, three facts in each section. The **full context** keeps all of it and reads "
        "it whole when the question comes. The **bounded memory** keeps 64 characters, which it writes anew after "
        "each section."
    )
    said = course.predict(
        "The text grows from 4 sections to 64. The longest thing that the policy of the *bounded* agent must read at "
        "once becomes ...", GROWTHS,
    )  # fmt: skip
    if said is None:
        return False
    few, many = longest_read(4, 64), longest_read(64, 64)
    growth = many / few
    true = min(range(3), key=lambda i: abs((16.0, 2.0, 1.0)[i] - growth))
    course.step(2, f"Played just now: {few:,} characters with 4 sections, {many:,} with 64.")
    course.compare(said, true, GROWTHS)
    course.step(3, "Give the memory more room, and the policy a window: what it can read at once.")
    left, right = st.columns(2, gap="medium")
    room = left.selectbox(
        "Room of the memory, characters", ROOMS, **bind_to_address("room", ROOMS, 64)
    )
    window = right.selectbox(
        "Window of the policy, characters", WINDOWS, **bind_to_address("window", WINDOWS, 4000)
    )
    full = {n: longest_read(n, None) for n in LENGTHS}
    bounded = {n: longest_read(n, room) for n in LENGTHS}
    show_chart(
        window_figure(full, bounded, window), "bounded.window",
        f"Longest text read at once: full context {full[2]:,} to {full[128]:,} characters, bounded memory "
        f"{bounded[2]:,} to {bounded[128]:,}; the window is {window:,}",
    )  # fmt: skip
    fits = largest_full(window)
    lasts = max(bounded.values()) <= window
    st.markdown(
        f"With a window of {window:,} characters the full context holds **{fits} sections**; "
        + (
            "the bounded memory reads on for ever."
            if lasts
            else "this memory is too large for it, too."
        )
    )
    table_with_download(
        [{"sections": n, "full context": full[n], "bounded memory": bounded[n]} for n in LENGTHS],
        "bounded",
    )
    _show_price(room)
    course.step(4)
    right_number = largest_full(CHECKED_WINDOW)
    passed = course.check_number(
        f"How many sections fit into a full context with a window of {CHECKED_WINDOW:,} characters?",
        right_number, 3, f"{right_number} sections; one more and the question no longer fits beside them.",
    )  # fmt: skip
    first, last = share_kept("first", 32, 64), share_kept("overlap", 32, 64)
    options = ("the room", "the decision what to keep", "nothing: both remember")
    other = course.check_choice(
        "Two bounded agents read 32 sections with 64 characters of room. One keeps the first facts that fit, one what "
        "the question asks for. What makes the difference between them?", options,
        1 if last - first > 0.5 else 2,
        f"Kept to the end: {first:.0%} against {last:.0%}. A bounded memory lasts; what is in it is a decision, and "
        "that is trained.",
        "difference",
    )  # fmt: skip
    return passed and other


def _show_price(room: int) -> None:
    st.markdown(
        "**What it costs:** what is left out is gone. Who keeps the needed fact after so many sections?"
    )
    rows = [
        {"Policy": name} | {f"{n} sections": f"{share_kept(strategy, n, room):.0%}" for n in (2, 8, 32)}
        for name, strategy in POLICIES.items()
    ]  # fmt: skip
    st.dataframe(rows, hide_index=True, alt="Needed fact kept to the end, by policy and length")
    st.caption(
        f"Shares of {PLAYED} episodes each, played now with {room} characters of room. The trained tiny policy "
        "answers 83% rightly over 8 sections and 53% over 128, four and sixty-four times what it was trained on; "
        "its full "
        "context ends at 1,024 tokens (docs/results.md, with the command)."
    )


def _texts(sections: int) -> list[Example]:
    return Needle(chunks=sections, facts_per_chunk=3).examples(PLAYED, 1, "heldout")


def _agent(room: int | None) -> Paradigm:
    """The full context where `room` is None."""
    return (
        Retrieval(retriever=Everything()) if room is None else MemAgent(store=Buffer(budget=room))
    )


@lru_cache(maxsize=512)
def longest_read(sections: int, room: int | None) -> int:
    """Characters of the longest prompt of one episode; `room` None is the full context."""
    sampler = Reading("overlap", 0)
    run_episodes(_agent(room), sampler, _texts(sections)[:1], 0.0)
    return sampler.longest


@lru_cache(maxsize=256)
def share_kept(strategy: Strategy, sections: int, room: int) -> float:
    """The share of episodes in which the needed fact is in memory at the end."""
    played = run_episodes(_agent(room), ScriptedSampler(strategy, 0), _texts(sections), 0.0)
    return sum(score(one, {"kept": 1.0}).reward for one in played) / len(played)


def largest_full(window: int) -> int:
    """The most sections whose full context fits into a window: it grows with each section, so halves are searched."""
    low, high = 0, 256
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if longest_read(middle, None) <= window else (low, middle)
    return low


def window_figure(full: dict[int, int], bounded: dict[int, int], window: int) -> go.Figure:
    """The longest text read at once over the number of sections, and the window as a line."""
    figure = go.Figure()
    for i, (name, values) in enumerate((("full context", full), ("bounded memory", bounded))):
        figure.add_scatter(
            x=list(values), y=list(values.values()), name=name, mode="lines+markers",
            line={"color": PALETTE[i], "width": 2.4, "dash": DASHES[i]},
            hovertemplate="%{x} sections: %{y:,} characters<extra>" + name + "</extra>",
        )  # fmt: skip
    layout(figure, 320, legend=True)
    figure.add_hline(
        y=window, line={"dash": "dot", "color": PALETTE[5]}, annotation_text="the window",
        annotation_position="top left",
    )  # fmt: skip
    figure.update_xaxes(title="sections", tickvals=list(LENGTHS), type="log")
    figure.update_yaxes(title="characters read at once", tickformat=",d", rangemode="tozero")
    return figure
