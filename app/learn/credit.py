"""Lesson 5: credit assignment. One reward and several decisions: laid to all of them, or to one that all attempts of a
group took in the same state (`training.credit`). `parted.py` plays what is shown."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import streamlit as st

from app.learn import parted
from app.learn.course import Course
from app.learn.parted import Decision, Group
from app.learn.pushes import misled_both_ways, pushes_table, shares_figure, word
from app.markup.labels import figures_row
from app.markup.safe_text import one_line
from app.markup.tables import sentences_table
from app.run.charts import curves_in_words
from app.shell.address import bind_to_address
from app.shell.widgets import show_chart
from memfactory_core.scoring.intervals import Interval

PUSHED = (
    "those that were right, and no other", "all of them, the wrong ones too",
    "none, for not all of them were right",
)  # fmt: skip
DRAWS = range(1, 6)


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
                    "": place, "Message": message, "Right": word(told.right),
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
        'With `training.credit = "episode"`, which is GRPO as it was published, the attempts are independent, and an '
        "attempt's advantage (its reward less the group's mean, the *baseline*, divided by its spread) is laid to all "
        "that it decided.",
    )
    course.compare(said, pushed_option(row), PUSHED)
    _show_group(group, attempt)
    st.markdown(
        "The advantage tells how good an attempt was, not which decision made it so: that is the problem of **credit "
        "assignment**. Over very many groups it evens out, for what is right stands more often in good attempts. A "
        "single group can mislead."
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
    parts = parted.play_parted(number, attempt, 0)
    leads = parted.leads(parts)
    most = leads.index(max(leads))
    first = course.check_choice(
        "With draw 1, part the attempts at each message in turn. Where are those that decided rightly the farthest "
        "ahead of the others?",
        [f"{place}. {message}" for place, message in enumerate(messages, 1)], most,
        f"By {leads[most]:.2f} on the mean. What came before was the same in all of them, so it cannot be the reason.",
        "lead",
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
        "single conversation can tell. Over five seeds of the recipe of this lesson it was the independent attempts "
        "(docs/results.md, *Same-state credit*)."
    )
    return first and second


def pushed_option(row: Sequence[Decision]) -> int:
    """Which of `PUSHED` became true of an attempt's decisions."""
    raised = [(told.push or 0.0) > 0 for told in row]
    if all(raised):
        return 1
    return 0 if raised == [told.is_right for told in row] else 2


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
    _show_group(group, 0, place - 1)
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
        f"**{_misled(independent)}**. But this conversation was chosen because it shows plainly what is meant."
    )
    _show_others()


def _misled(pushed: Sequence[Decision]) -> str:
    return f"{sum(told.is_misled for told in pushed)} of {len(pushed)}"


def _show_others() -> None:
    """Whether the count holds where nobody chose the conversation; played when it is asked for."""
    if st.button(
        f"Count over {parted.COUNTED} other conversations", icon=":material/functions:",
        help="Nobody chose these; they are the next ones of the task. It takes some seconds.",
    ):  # fmt: skip
        st.session_state["credit.counted"] = True
    if not st.session_state.get("credit.counted"):
        return
    with st.spinner("The tiny policy plays them."):
        episode, decision = parted.count_over_others()
    one, other = episode.whole, decision.whole
    apart = other["high"] < one["low"] or one["high"] < other["low"]
    st.html(
        figures_row({
            "Pushed the wrong way, credit by episode": _bounds(one), "Credit by decision": _bounds(other),
        })
    )  # fmt: skip
    sides = {"by episode": episode.by_message, "by decision": decision.by_message}
    series = {
        name: [(place, share["mean"]) for place, share in enumerate(shares, 1)]
        for name, shares in sides.items()
    }
    told = curves_in_words("Pushed the wrong way", series, percent=True, along="message")
    show_chart(shares_figure(sides), "credit.shares", told)
    st.caption(
        f"{parted.COUNTED} conversations that nobody chose, {one['n']:,} and {other['n']:,} decisions, 95% intervals "
        f"over conversations; of the whole they {'lie apart' if apart else 'overlap'}. The later the message, the more "
        "lies before it that cannot speak along any more. Before the first there is nothing, so a difference there "
        f"is chance. By decision a group was played for each of the {len(decision.by_message)} messages: that many "
        "times the attempts."
    )


def _bounds(share: Interval) -> str:
    return f"{share['mean']:.0%} ({100 * share['low']:.0f} to {100 * share['high']:.0f})"


def _show_group(group: Group, attempt: int, parting: int | None = None) -> None:
    """A group as a table, with its counts above."""
    down, up = misled_both_ways(group)
    st.html(
        figures_row({
            "Right, but made less likely": str(down), "Wrong, but made likelier": str(up),
            "Decisions that are pushed": f"{len(group.pushed)} of {sum(map(len, group.decisions))}",
        })
    )  # fmt: skip
    st.html(pushes_table(group, attempt, parting))
    weight = parted.lesson_config().training.negative
    told = "" if parting is None else ", which the others repeat. Grey: not trained"
    st.caption(
        "✓ right, ✗ wrong; ▲ made likelier, ▼ less likely, the deeper the colour the more (advantages below zero are "
        f"multiplied by {weight:g}, as the recipe says). Framed: pushed the wrong way. ▸ the attempt from "
        f"above{told}."
    )
