"""Lesson 2: one frozen group. Rewards, advantages, ratio, clip and loss of eight stored attempts, to be moved by hand;
the numbers are made by the trainer's own functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from app.learn.course import Course
from app.learn.stored import link_to_stored, read_stored
from app.markup.labels import figures_row
from app.markup.safe_text import escape_markdown, one_line
from app.markup.tables import sentences_table
from app.run.charts import PALETTE, layout
from app.shell.address import bind_to_address, set_address
from app.shell.widgets import show_chart
from memfactory_core import config
from memfactory_core.explain.story import sections
from memfactory_core.trace import Episode
from memfactory_core.training.advantages import with_advantages
from memfactory_core.training.objective import clipped_gain, group_loss

STEP, GROUP = 15, "15-needle-train-0-176"
"""The stored group: one right answer, two in which the fact was stored and lost, five in which it never was, one of
these with a write that was rejected."""
TENTHS = range(-5, 21)
PERCENT = range(50, 151)
SIGNS = ("above zero", "exactly zero", "below zero")


def show_group_lesson(course: Course) -> bool:
    """The four steps; whether both checks were passed."""
    stored = stored_group()
    example = stored[0].example
    st.markdown(
        f"Step {STEP} of the shipped run *MemAgent, tiny, CPU*: eight attempts at one text. The question was "
        f"**{escape_markdown(example.question)}** One attempt answered rightly, from a memory that has the value "
        "right and the name wrong. Two had the needed fact in memory "
        "and lost it again, which the reward pays with 0.5. Five never stored it: four earned nothing, and one lost a "
        "tenth for a write that was rejected."
    )
    options = list(SIGNS)
    said = course.predict(
        "An attempt earned 0.5: a wrong answer, but the fact was stored for a while. Is its advantage ...",
        options,
    )
    if said is None:
        return False
    course.step(
        2, "The advantage is the reward minus the group's mean, divided by its spread. Advantages below zero are "
        "halved here (`training.negative = 0.5`). These are the numbers that the run stored."
    )  # fmt: skip
    half = next(one for one in stored if abs(one.reward - 0.5) < 1e-9)
    course.compare(said, 0 if half.advantage > 0 else 1 if half.advantage == 0 else 2, options)
    rows = [_stored_row(number, one) for number, one in enumerate(stored, 1)]
    st.html(sentences_table(rows, "The stored attempts with their rewards and advantages"))
    link_to_stored(
        "memagent",
        "The same group in the lab",
        "groups",
        phase="train",
        step=str(STEP),
        group=GROUP,
    )
    course.step(
        3, "Move a reward, or make all equal. Then let the policy move: the ratio of one attempt."
    )
    _show_by_hand(stored)
    course.step(4)
    rewards = [one.reward for one in stored]
    best = max(stored, key=lambda one: one.reward)
    wanted = advantages_of(stored, [1.5 if r >= 1.5 else 0.0 for r in rewards], 1.0)[
        stored.index(best)
    ]
    first = course.check_number(
        "Set every reward but the best to 0, so that one attempt earns 1.5 and seven earn 0, and weigh those below "
        "zero with 1. What is the advantage of the best attempt?",
        wanted, 0.03,
        f"It is {wanted:.2f}: (1.5 − 0.19) / 0.50. The rarer the success, the louder it speaks.",
        "checked", 0.01, 2,
    )  # fmt: skip
    level = group_loss(advantages_of(stored, [0.5] * 8, 0.5), [1.2] * 8, tokens_of(stored), 0.2)
    second = course.check_number(
        "All eight attempts earn 0.5, and the policy has moved: every ratio is 1.2. What is the loss?",
        level, 0.0, "Exactly zero: a group whose attempts all earned the same teaches nothing.", "equal", 0.01, 2,
    )  # fmt: skip
    return first and second


def stored_group() -> list[Episode]:
    """The attempts as they were stored, best first."""
    found = [one for one in read_stored("memagent", "train", STEP) if one.group_id == GROUP]
    return sorted(found, key=lambda one: -one.reward)


def advantages_of(
    stored: Sequence[Episode], rewards: Sequence[float], negative: float, scale: str = "group"
) -> list[float]:
    """The advantages that the trainer would give the attempts for other rewards."""
    moved = [
        one.model_copy(update={"reward": reward})
        for one, reward in zip(stored, rewards, strict=True)
    ]
    return [one.advantage for one in with_advantages(moved, scale, negative)]


def tokens_of(stored: Sequence[Episode]) -> list[int]:
    """How many tokens each attempt wrote in the turns that are trained."""
    return [
        sum(len(turn.completion.completion_ids or ()) for turn in one.turns if turn.trainable)
        for one in stored
    ]


def _stored_row(number: int, one: Episode) -> dict[str, Any]:
    last = sections(one.example, one.events)[-1].after
    return {
        "Attempt": number, "Reward": round(one.reward, 2), "Advantage": round(one.advantage, 3),
        "Memory at the end": one_line(" ".join(m.text for m in last), 90),
        "Answer": one_line(one.answer, 30),
    }  # fmt: skip


def _show_by_hand(stored: list[Episode]) -> None:
    settings = config.load("memagent-tiny").training
    rewards = [round(10 * one.reward) for one in stored]
    with st.container(horizontal=True):
        equal = {f"r{number}": 5 for number in range(1, 9)}
        st.button(
            "All rewards equal",
            icon=":material/drag_handle:",
            on_click=st.query_params.update,
            args=(equal,),
        )
        st.button(
            "As stored", icon=":material/history:", on_click=set_address, kwargs={"lesson": "group"}
        )
    moved = []
    for start in (0, 4):
        for column, number in zip(st.columns(4), range(start, start + 4), strict=True):
            with column:
                bound = bind_to_address(f"r{number + 1}", TENTHS, rewards[number])
                tenths = st.slider(f"Attempt {number + 1}, tenths", TENTHS[0], TENTHS[-1], **bound)
                moved.append(tenths / 10)
    which, how, clip, below = st.columns(4, gap="medium")
    attempt = which.selectbox(
        "Whose ratio", range(1, 9), **bind_to_address("whose", range(1, 9), 1)
    )
    ratio = how.slider(
        "Ratio, percent", PERCENT[0], PERCENT[-1], **bind_to_address("ratio", PERCENT, 100),
        help="The probability of the attempt's tokens now, divided by that when they were drawn. 100 is: not moved.",
    ) / 100  # fmt: skip
    width = clip.slider(
        "Clip, percent", 5, 50, **bind_to_address("clip", range(5, 51), round(100 * settings.clip)),
        help="Beyond 100 plus or minus this, a change in the wanted direction counts no more.",
    ) / 100  # fmt: skip
    weight = below.slider(
        "Weight below zero, tenths", 0, 10,
        **bind_to_address("below", range(0, 11), round(10 * settings.negative)),
    ) / 10  # fmt: skip
    advantages = advantages_of(stored, moved, weight)
    ratios = [ratio if number == attempt else 1.0 for number in range(1, 9)]
    loss = group_loss(advantages, ratios, tokens_of(stored), width)
    _show_numbers(stored, moved, advantages, loss, attempt, ratio, width)


def _show_numbers(
    stored: list[Episode], moved: list[float], advantages: list[float], loss: float,
    attempt: int, ratio: float, width: float,
) -> None:  # fmt: skip
    mean = sum(moved) / len(moved)
    advantage = advantages[attempt - 1]
    equal = max(moved) == min(moved)
    st.html(figures_row({
        "Mean reward": f"{mean:+.3f}", f"Advantage of attempt {attempt}": f"{advantage:+.3f}",
        "Clipped": "yes" if clipped_gain(ratio, advantage, width) != ratio * advantage else "no",
        "Loss of the group": f"{loss:+.4f}", "Teaches": "no, all earned the same" if equal else "yes",
    }))  # fmt: skip
    table, chart = st.columns([1.25, 1], gap="medium")
    rows = [
        {
            "Attempt": number, "Reward": reward, "Advantage": round(value, 3),
            "Stored": round(one.advantage, 3),
        }
        for number, (one, reward, value) in enumerate(
            zip(stored, moved, advantages, strict=True), 1
        )
    ]  # fmt: skip
    table.dataframe(rows, hide_index=True, alt="The moved group")
    with chart:
        show_chart(
            gain_figure(advantage, ratio, width), "group.gain",
            f"What a token of attempt {attempt} adds at each ratio; at {ratio:.2f} it is "
            f"{clipped_gain(ratio, advantage, width):+.3f}",
        )  # fmt: skip
        st.caption(
            "min(ratio × A, clipped ratio × A): what a token of this attempt adds. Where the line is flat there is "
            "no gradient."
        )


def gain_figure(advantage: float, ratio: float, clip: float) -> go.Figure:
    """What a token adds to the objective, over the ratio; the present ratio is marked."""
    places = [percent / 100 for percent in PERCENT]
    figure = go.Figure()
    figure.add_scatter(
        x=places, y=[clipped_gain(place, advantage, clip) for place in places], mode="lines",
        line={"color": PALETTE[0], "width": 2.4}, hovertemplate="ratio %{x:.2f}: %{y:.3f}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=[ratio], y=[clipped_gain(ratio, advantage, clip)], mode="markers",
        marker={"color": PALETTE[1], "size": 12}, hoverinfo="skip",
    )  # fmt: skip
    layout(figure, 260, legend=False)
    figure.update_xaxes(title="ratio")
    figure.update_yaxes(title="gain of a token")
    return figure
