"""A group: the attempts at one example side by side, the memories they ended with, and where two of
them part."""

from __future__ import annotations

import streamlit as st

from app import cards, markup, moments
from app.views import from_url, page
from memfactory_core.db import EpisodeRow, Run
from memfactory_core.group import aligned_banks, parting
from memfactory_core.trace import Episode

ACROSS = 4
SHOWN = 16
"""Attempts that are laid side by side."""
SAME = 1e-9
"""Rewards that differ by less are equal: such a group teaches nothing."""


def teaches(lowest: float, highest: float) -> bool:
    """Whether the attempts of a group earned differently."""
    return highest - lowest > SAME


def show(run: Run, found: list[tuple[EpisodeRow, Episode]]) -> None:
    """One group."""
    first = found[0][1]
    rewards = [row.reward for row, _ in found]
    mean = sum(rewards) / len(rewards)
    spread = (sum((reward - mean) ** 2 for reward in rewards) / len(rewards)) ** 0.5
    right = sum(row.exact_match == 1 for row, _ in found)
    gold = first.example.answers[0] if first.example.answers else ""
    st.html(
        f'<div class="mf mf-story">{markup.text(first.example.question)} <span class="mf-muted">'
        f"Right answer:</span> {markup.text(gold, 'not known')}</div>"
    )
    st.html(markup.facts({
        "Attempts": f"{len(found):,}", "Right": f"{right:,} of {len(found):,}",
        "Mean reward": f"{mean:+.2f}", "Spread": f"{spread:.2f}",
        "Teaches": "yes" if teaches(min(rewards), max(rewards)) else "no, all earned the same",
    }))  # fmt: skip
    _side_by_side(run, found[:SHOWN])
    shown = [episode for _, episode in found[:SHOWN]]
    st.subheader("Memories at the end")
    st.caption("One row for each text; the columns are the attempts. Shared ones come first.")
    st.html(cards.banks_table(aligned_banks(shown), len(shown), first.example.needed))
    if len(shown) > 1:
        _parting(run, found[:SHOWN])


def _side_by_side(run: Run, found: list[tuple[EpisodeRow, Episode]]) -> None:
    weights = run.settings.get("reward", {})
    for start in range(0, len(found), ACROSS):
        columns = st.columns(ACROSS, gap="small")
        for number, (row, episode) in enumerate(found[start : start + ACROSS], start + 1):
            parts = {
                name.replace("_", " "): f"{weight * episode.scores.get(name, 0.0) + 0.0:+.2f}"
                for name, weight in weights.items()
            }
            parts |= {"Reward": f"{row.reward:+.2f}", "Advantage": f"{row.advantage:+.2f}"}
            with columns[number - start - 1].container(border=True, height="stretch"):
                st.html(cards.attempt_card(number, episode, row.cause, parts))
                link_to(run, row, "Open")


def link_to(run: Run, row: EpisodeRow, label: str, event: int | None = None) -> None:
    """A link to an episode, at one of its events where one is given."""
    place = {"run": run.id, "phase": row.phase, "step": str(row.step), "episode": row.id}
    if event is not None:
        place |= {"view": "steps", "event": str(event)}
    icon = ":material/arrow_forward:"
    st.page_link(page("episode"), label=label, icon=icon, query_params=place)


def _parting(run: Run, found: list[tuple[EpisodeRow, Episode]]) -> None:
    st.subheader("Where two attempts part")
    names = [str(number) for number in range(1, len(found) + 1)]
    left, right = st.columns(2, gap="medium")
    chosen = [
        column.selectbox(
            label, names, format_func=lambda n: _attempt(n, found[int(n) - 1][0]),
            **from_url(key, names, start),
        )
        for column, label, key, start in (
            (left, "One attempt", "one", names[0]), (right, "The other", "other", names[-1]),
        )
    ]  # fmt: skip
    pair = [found[int(name) - 1] for name in chosen]
    turn = parting(pair[0][1], pair[1][1])
    if turn is None:
        st.info("These two attempts said the same in every turn.")
        return
    roles = [episode.turns[turn].role for _, episode in pair if turn < len(episode.turns)]
    place = next(e.turns[turn].observation for _, e in pair if turn < len(e.turns))
    where = "when answering" if place is None else f"in section {place + 1}"
    what = moments.ROLES.get(roles[0], roles[0]).lower()
    before = f"They say the same for {turn:,} {'turn' if turn == 1 else 'turns'} and"
    st.markdown(f"{before if turn else 'They'} part {where} ({what}).")
    left, right = st.columns(2, gap="medium")
    needed = pair[0][1].example.needed
    for column, name, (row, episode) in zip((left, right), chosen, pair, strict=True):
        with column.container(border=True):
            said = episode.turns[turn].completion.text if turn < len(episode.turns) else ""
            body = markup.highlight(said, needed) if said else markup.text("", "nothing")
            st.html(f'<div class="mf"><div class="mf-label">Attempt {name} said</div>{body}</div>')
            link_to(run, row, "Open this moment", moments.event_of_turn(episode, turn))


def _attempt(number: str, row: EpisodeRow) -> str:
    return f"Attempt {number}, reward {row.reward:+.2f}"
