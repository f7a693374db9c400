"""Lesson 5: credit assignment. One reward and several decisions: laid to all of them, or to one that all attempts of a
group took in the same state (`training.credit`). `parted.py` plays what is shown."""

from __future__ import annotations

import html
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from app.learn import parted
from app.learn.course import Course
from app.learn.parted import Decision, Group
from app.markup.labels import figures_row
from app.markup.safe_text import one_line
from app.markup.tables import sentences_table
from app.run.charts import PALETTE, TRANSPARENT, layout
from app.shell.address import bind_to_address
from app.shell.widgets import show_chart, table_with_download
from memfactory_core.scoring.intervals import Interval

PUSHED = (
    "those that were right, and no other", "all of them, the wrong ones too",
    "none, for not all of them were right",
)  # fmt: skip
DRAWS = range(1, 6)
LIKELIER, LESS_LIKELY, UNTRAINED = "20, 145, 138", "194, 119, 46", "120, 140, 140"
"""Colours (r, g, b) of decisions by what becomes of them; drawn translucent, for light and dark."""


def show_credit(course: Course) -> bool:
    """The four steps; whether both checks were passed."""
    with st.spinner("The tiny policy plays the attempts."):
        number, attempt = parted.plain_case()
        group = parted.play_independent(number)
    messages = parted.conversations()[number].observations
    count = len(group.attempts)
    one, row = group.attempts[attempt], group.decisions[attempt]
    st.markdown(
        f"A memory manager reads {len(messages)} messages and decides about each. Here it is known what is right: "
        "ADD the facts, NOOP for chatter. Questions come at the end, and only then **one** reward is paid for "
        f"everything: right answers, facts kept, and a little off for each memory. The shipped policy, untrained, "
        f"made {count} attempts just now. This is one of them:"
    )
    st.html(
        sentences_table(
            [
                {
                    "": place, "Message": message, "Right": _word(told.right),
                    "What the policy said": one_line(told.said, 50), "So it was": _verdict(told),
                }
                for place, (message, told) in enumerate(zip(messages, row, strict=True), 1)
            ],
            "One attempt, decision by decision",
        )
    )  # fmt: skip
    mean = fmean(other.reward for other in group.attempts)
    said = course.predict(
        f"It earned {one.reward:.2f}, more than the {count} attempts' mean of {mean:.2f}. So it is learned from. Which "
        "of its decisions are made likelier?", PUSHED,
    )  # fmt: skip
    if said is None:
        return False
    course.step(
        2,
        'With `training.credit = "episode"`, as everywhere in GRPO, the attempts are independent, and an attempt\'s '
        "advantage (its reward less the group's mean, the *baseline*) is laid to all that it decided.",
    )
    course.compare(said, pushed_option(row), PUSHED)
    _show_group(group, marked=attempt)
    st.markdown(
        "The advantage tells how good an attempt was, not which decision made it so: that is the problem of **credit "
        "assignment**. Over very many groups it evens out, for what is right stands more often in good attempts. A "
        "single group misleads."
    )
    course.step(
        3,
        'Now with `training.credit = "decision"`. The attempt from above is repeated up to one message. There all '
        f"{count} decide anew **in the same state**, and go on from there. What they decided before is the same, so it "
        "cannot make one of them better, and that one decision alone is trained. In training the place is drawn by "
        "chance; here you choose it.",
    )
    _show_parted(number, attempt, messages)
    course.step(4)
    parts = parted.play_parted(number, attempt)
    leads = parted.leads(parts)
    most = leads.index(max(leads))
    first = course.check_choice(
        "With draw 1, part the attempts at each message in turn. Where are those that decided rightly the farthest "
        "ahead of the others?",
        [f"{place}. {message}" for place, message in enumerate(messages, 1)], most,
        f"By {leads[most]:.2f} on the mean. All that they shared was the same, so most of the reward that could be won "
        "hung on this decision.", "lead",
    )  # fmt: skip
    taught, whole = parted.taught(parts[most]), parted.taught(group)
    second = course.check_number(
        f"The price: {count} attempts of {len(messages)} decisions were played to their ends. How many of these "
        f"{count * len(messages)} decisions does the group teach that parts there?",
        taught, 0.0,
        f"{taught}: in each attempt the one at which they part. The group of independent attempts taught {whole}. The "
        "other decisions of a parted group teach nothing, and had to be played all the same.", "taught",
    )  # fmt: skip
    st.caption(
        "A clearer word about fewer decisions: which of the two teaches more for the same number of episodes, no "
        "single conversation can tell. What was measured, and what was not, stands in docs/results.md, *Same-state "
        "credit*."
    )
    return first and second


def pushed_option(row: Sequence[Decision]) -> int:
    """Which of `PUSHED` became true of an attempt's decisions."""
    raised = [(told.push or 0.0) > 0 for told in row]
    if all(raised):
        return 1
    return 0 if raised == [told.is_right for told in row] else 2


def _word(action: str) -> str:
    return "refused" if action == "reject" else action.upper()


def _verdict(told: Decision) -> str:
    return "✓ right" if told.is_right else "✗ wrong"


def _show_parted(number: int, attempt: int, messages: Sequence[str]) -> None:
    left, right = st.columns([2.4, 1], gap="medium")
    places = range(1, len(messages) + 1)
    place = left.selectbox(
        "The attempts part at", places, format_func=lambda n: f"{n}. {messages[n - 1]}",
        **bind_to_address("message", places, 1),
    )  # fmt: skip
    draw = right.slider(
        "Draw", DRAWS[0], DRAWS[-1], **bind_to_address("draw", DRAWS, 1),
        help="The same state, played anew with other draws.",
    )  # fmt: skip
    with st.spinner("The tiny policy decides anew."):
        parts = parted.play_parted(number, attempt, draw - 1)
    group = parts[place - 1]
    _show_group(group, parting=place - 1)
    lead = group.lead(place - 1)
    figures = {
        f"{name} at message {place}": f"{len(rewards)}, earned {fmean(rewards):+.2f}" if rewards else "none"
        for name, rewards in (
            ("Right", group.rewards(place - 1, True)), ("Wrong", group.rewards(place - 1, False)),
        )
    }  # fmt: skip
    st.html(
        figures_row(figures | {"Right is ahead by": "cannot tell" if lead is None else f"{lead:+.2f}"})
    )  # fmt: skip
    everywhere = [told for one in parts for told in one.pushed]
    independent = parted.play_independent(number).pushed
    st.markdown(
        "Attempts that decided alike can still be pushed apart: what came **after** was decided anew in each, answers "
        f"included, and all of it is in the reward. With each of the {len(messages)} messages parted in turn "
        f"**{_misled(everywhere)}** decisions are pushed the wrong way, of the independent attempts above "
        f"{_misled(independent)}."
    )
    _show_others()


def _misled(pushed: Sequence[Decision]) -> str:
    return f"{sum(told.is_misled for told in pushed)} of {len(pushed)}"


def _show_others() -> None:
    """Whether the count holds where nobody chose the conversation; played when it is asked for."""
    if st.button(
        f"Count over {parted.COUNTED} other conversations", icon=":material/functions:",
        help="This conversation was chosen because it shows plainly what is meant. The others are not chosen. It takes "
        "some seconds.",
    ):  # fmt: skip
        st.session_state["credit.counted"] = True
    if not st.session_state.get("credit.counted"):
        return
    with st.spinner("The tiny policy plays them."):
        episode, decision = parted.count_over_others()
    apart = decision["high"] < episode["low"] or episode["high"] < decision["low"]
    st.html(
        figures_row({
            "Pushed the wrong way, credit by episode": _bounds(episode), "Credit by decision": _bounds(decision),
        })
    )  # fmt: skip
    st.caption(
        f"{parted.COUNTED} conversations that nobody chose, {episode['n']:,} and {decision['n']:,} decisions, 95% "
        f"intervals over conversations, which {'lie apart' if apart else 'overlap'}. With every message parted in "
        "turn, credit by decision took a group for each of them, five times the attempts."
    )


def _bounds(share: Interval) -> str:
    return f"{share['mean']:.0%} ({100 * share['low']:.0f} to {100 * share['high']:.0f})"


def _show_group(group: Group, marked: int | None = None, parting: int | None = None) -> None:
    """A group as a chart, with its counts and the table behind it."""
    down = sum(told.is_misled and told.is_right for told in group.pushed)
    up = sum(told.is_misled and not told.is_right for told in group.pushed)
    st.html(
        figures_row({
            "Right, but made less likely": str(down), "Wrong, but made likelier": str(up),
            "Decisions that are pushed": f"{len(group.pushed)} of {sum(map(len, group.decisions))}",
        })
    )  # fmt: skip
    name = "independent" if parting is None else "parted"
    how = (
        "all decisions are pushed" if parting is None else f"pushed at message {parting + 1} alone"
    )
    show_chart(
        push_figure(group, marked, parting), f"credit.{name}",
        f"{len(group.attempts)} attempts, {how}: {len(group.pushed)} decisions, {down} right ones made less likely, "
        f"{up} wrong ones made likelier",
    )  # fmt: skip
    told = (
        ""
        if parting is None
        else " Grey: not trained; left of the column all attempts are the same."
    )
    st.caption(
        "✓ right, ✗ wrong; ▲ made likelier, ▼ less likely, the deeper the colour the more (advantages below zero count "
        f"half, `training.negative = 0.5`). Framed: pushed the wrong way.{told}"
    )
    table_with_download(_rows(group), f"credit-{name}", "The attempts as a table")


def _rows(group: Group) -> list[dict[str, Any]]:
    return [
        {
            "attempt": number, "reward": round(one.reward, 3), "advantage": round(one.advantage, 3),
            "message": place, "right": _word(told.right), "done": _word(told.done),
            "pushed by": None if told.push is None else round(told.push, 3),
        }
        for number, (one, row) in enumerate(zip(group.attempts, group.decisions, strict=True), 1)
        for place, told in enumerate(row, 1)
    ]  # fmt: skip


def push_figure(group: Group, marked: int | None = None, parting: int | None = None) -> go.Figure:
    """Attempts (down) by messages (across), each cell a decision coloured by what it is pushed by; `marked` is an
    attempt and `parting` a message that stand out, from 0."""
    rows = group.decisions
    most = max((abs(told.push or 0.0) for row in rows for told in row), default=0.0) or 1.0
    figure = go.Figure()
    ends = [
        [0, f"rgba({LESS_LIKELY}, 0.6)"], [0.5, f"rgba({UNTRAINED}, 0.05)"], [1, f"rgba({LIKELIER}, 0.6)"],
    ]  # fmt: skip
    grey = f"rgba({UNTRAINED}, 0.13)"
    for pushed, colours in ((True, ends), (False, [[0, grey], [1, grey]])):
        figure.add_heatmap(
            z=[[told.push or 0.0 if told.is_pushed == pushed else None for told in row] for row in rows],
            zmin=-most, zmax=most, colorscale=colours, showscale=False, xgap=4, ygap=4, hoverongaps=False,
            customdata=[[_hover(told) for told in row] for row in rows],
            hovertemplate="%{customdata}<extra></extra>",
        )  # fmt: skip
        shown = [
            (across, down, _cell(told))
            for down, row in enumerate(rows)
            for across, told in enumerate(row)
            if told.is_pushed == pushed
        ]
        # as text of its own, which takes the theme's colour, for the cells are translucent
        figure.add_scatter(
            x=[across for across, _, _ in shown], y=[down for _, down, _ in shown], mode="text",
            text=[text for _, _, text in shown], opacity=1.0 if pushed else 0.72, hoverinfo="skip",
        )  # fmt: skip
    for down, row in enumerate(rows):
        for across, told in enumerate(row):
            if told.is_misled:
                figure.add_shape(
                    type="rect", x0=across - 0.47, x1=across + 0.47, y0=down - 0.44, y1=down + 0.44,
                    line={"color": PALETTE[3], "width": 2.6}, fillcolor=TRANSPARENT,
                )  # fmt: skip
    layout(figure, 58 + 36 * len(rows), legend=False)
    figure.update_layout(hovermode="closest")
    heads = [
        f"message {place}<br>right: {_word(told.right)}" for place, told in enumerate(rows[0], 1)
    ]
    if parting is not None:
        heads[parting] = f"<b>{heads[parting]}</b>"
    earned = [f"{place}: {one.reward:+.2f}" for place, one in enumerate(group.attempts, 1)]
    if marked is not None:
        earned[marked] = f"<b>▸ {earned[marked]}</b>"
    figure.update_xaxes(
        tickvals=list(range(len(heads))), ticktext=heads, side="top", zeroline=False, tickangle=0,
        range=[-0.5, len(heads) - 0.5],
    )  # fmt: skip
    figure.update_yaxes(
        tickvals=list(range(len(earned))), ticktext=earned, range=[len(earned) - 0.5, -0.5], showgrid=False,
        zeroline=False, title="attempt: what it earned",
    )  # fmt: skip
    return figure


def _cell(told: Decision) -> str:
    arrow = "" if not told.is_pushed else " ▲" if (told.push or 0.0) > 0 else " ▼"
    return f"{'✓' if told.is_right else '✗'} {_word(told.done)}{arrow}"


def _hover(told: Decision) -> str:
    push = "not trained" if told.push is None else f"pushed by {told.push:+.2f}"
    return f"{html.escape(one_line(told.said, 60))}<br>right: {_word(told.right)}, {push}"
