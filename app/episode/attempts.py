"""A group: the attempts at one example side by side, the memories they ended with, and where two of
them part."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.markup.attempts import attempt_card
from app.markup.banks import banks_table
from app.markup.labels import figures_row
from app.markup.safe_text import escape_markdown, mark_needed, show_text
from app.reads.groups import list_attempts, list_rewards
from app.shell.address import bind_to_address
from app.shell.place import link_to_episode
from memfactory_core.explain import moments
from memfactory_core.explain.attempts import aligned_banks, parting
from memfactory_core.rewards import weight_of
from memfactory_core.runs.tables import EpisodeRow, Run
from memfactory_core.trace import Episode

ATTEMPTS_A_PAGE = 16
"""Attempts that are laid side by side on one page."""
COMPARABLE_ATTEMPTS = 1000
"""Attempts, best first, of which any two can be compared."""
EQUAL_REWARDS = 1e-9
"""Rewards that differ by less are equal: such a group teaches nothing."""


def teaches(lowest: float, highest: float) -> bool:
    """Whether the attempts of a group earned differently."""
    return highest - lowest > EQUAL_REWARDS


def describe_right(right: float, count: int) -> str:
    """How many attempts are right; where an attempt answers several questions, the share."""
    if count == 1 and right in (0, 1):
        return "right" if right else "wrong"
    return (
        f"{right:,.0f} of {count:,} right" if right == int(right) else f"{right / count:.0%} right"
    )


def show_group(run: Run, phase: str, step: int, group: dict[str, Any]) -> None:
    """One group (a row of list_groups), a page of its attempts at a time."""
    name, total = group["group_id"], group["attempts"]
    pages, key = -(-total // ATTEMPTS_A_PAGE), f"attempts.{name}"
    number = min(st.session_state.get(key, 1), pages)
    found = list_attempts(
        run.id, phase, step, name, ATTEMPTS_A_PAGE, (number - 1) * ATTEMPTS_A_PAGE
    )
    first, start = found[0][1], (number - 1) * ATTEMPTS_A_PAGE + 1
    gold = first.example.answers[0] if first.example.answers else ""
    st.html(
        f'<div class="mf mf-story">{show_text(first.example.question)} <span class="mf-muted">'
        f"Right answer:</span> {show_text(gold, 'not known')}</div>"
    )
    _show_figures(group)
    if pages > 1:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.pagination(pages, key=key)
            last = start + len(found) - 1
            st.caption(f"Attempts {start:,} to {last:,} of {total:,}, best first", width="content")
    _show_side_by_side(run, found, start)
    st.subheader("Memories at the end")
    st.caption("One row for each text; the columns are the attempts. Shared ones come first.")
    rows = aligned_banks([episode for _, episode in found])
    st.html(banks_table(rows, len(found), first.example.needed, start))
    if total > 1:
        _show_first_difference(run, phase, step, name)


def _show_figures(group: dict[str, Any]) -> None:
    """What the attempts earned; a single one has no spread and was not compared with others."""
    total = group["attempts"]
    shown = {"Attempts": f"{total:,}", "Answers": describe_right(group["right"], total)}
    if total > 1:
        lesson = teaches(group["lowest"], group["highest"])
        shown |= {
            "Mean reward": f"{group['mean']:+.2f}", "Spread": f"{group['spread']:.2f}",
            "Teaches": "yes" if lesson else "no, all earned the same",
        }  # fmt: skip
    st.html(figures_row(shown))


def _show_side_by_side(run: Run, found: list[tuple[EpisodeRow, Episode]], first: int) -> None:
    table = run.settings.get("reward", {})
    with st.container(key="attempts"):  # as many beside each other as there is room for
        for number, (row, episode) in enumerate(found, first):
            parts = {
                name.replace(
                    "_", " "
                ): f"{weight_of(entry) * episode.scores.get(name, 0.0) + 0.0:+.2f}"
                for name, entry in table.items()
            }
            if table:  # of a log there is none: nothing was earned
                parts["Reward"] = f"{row.reward:+.2f}"
            if row.phase == "train":
                parts["Advantage"] = f"{row.advantage:+.2f}"
            with st.container(border=True, height="stretch"):
                st.html(attempt_card(number, episode, row.cause, parts))
                link_to_episode(_place(run, row), f"Open attempt {number}", icon="")


def _place(run: Run, row: EpisodeRow) -> dict[str, str | int]:
    return {"run": run.id, "phase": row.phase, "step": row.step, "episode": row.id}


def _show_first_difference(run: Run, phase: str, step: int, group: str) -> None:
    st.subheader("Where two attempts part")
    rewards = list_rewards(run.id, phase, step, group, COMPARABLE_ATTEMPTS)
    names = [str(number) for number in range(1, len(rewards) + 1)]
    left, right = st.columns(2, gap="medium")
    chosen = [
        column.selectbox(
            label, names, format_func=lambda n: f"Attempt {n}, reward {rewards[int(n) - 1]:+.2f}",
            **bind_to_address(key, names, start),
        )
        for column, label, key, start in (
            (left, "One attempt", "one", names[0]), (right, "The other", "other", names[-1]),
        )
    ]  # fmt: skip
    pair = [list_attempts(run.id, phase, step, group, 1, int(n) - 1)[0] for n in chosen]
    turn = parting(pair[0][1], pair[1][1])
    if turn is None:
        st.info("These two attempts said the same in every turn.")
        return
    roles = [episode.turns[turn].role for _, episode in pair if turn < len(episode.turns)]
    place = next(e.turns[turn].observation for _, e in pair if turn < len(e.turns))
    where = "when answering" if place is None else f"in section {place + 1}"
    what = escape_markdown(moments.ROLES.get(roles[0], roles[0]).lower(), 60)
    before = f"They say the same for {turn:,} {'turn' if turn == 1 else 'turns'} and"
    st.markdown(f"{before if turn else 'They'} part {where} ({what}).")
    left, right = st.columns(2, gap="medium")
    needed = pair[0][1].example.needed
    for column, name, (row, episode) in zip((left, right), chosen, pair, strict=True):
        with column.container(border=True):
            said = episode.turns[turn].completion.text if turn < len(episode.turns) else ""
            body = mark_needed(said, needed) if said else show_text("", "nothing")
            st.html(f'<div class="mf"><div class="mf-label">Attempt {name} said</div>{body}</div>')
            event = moments.event_of_turn(episode, turn)
            link_to_episode(_place(run, row), "Open this moment", event)
