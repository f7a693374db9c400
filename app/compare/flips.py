"""Examples that flipped from right to wrong or from wrong to right; each opens both episodes side by side."""

from __future__ import annotations

import streamlit as st

from app.compare.sides import label_side
from app.episode.story import show_story
from app.markup.labels import cause_tag
from app.markup.safe_text import escape_html, escape_markdown
from app.reads.episodes import read_episode
from app.shell.address import bind_to_address
from app.shell.listing import ROWS_A_PAGE, choose_page
from app.shell.place import link_to_episode
from memfactory_core.explain import story
from memfactory_core.runs.attempts import Attempt, Side
from memfactory_core.runs.comparison import Comparison, Flip

WAYS = {
    "lost": "Right in the first, wrong in the other",
    "gained": "Wrong in the first, right in the other",
}


def show_flips(first: Side, second: Side, compared: Comparison) -> None:
    """The flipped examples of one kind, a page at a time, and the one that the address names."""
    st.subheader("Examples that flipped")
    flips = compared.flips()
    ways = {"lost": [f for f in flips if not f.gained], "gained": [f for f in flips if f.gained]}
    st.caption(
        f"From {escape_markdown(label_side(first), 80)} to {escape_markdown(label_side(second), 80)}: "
        f"{len(ways['gained']):,} gained, {len(ways['lost']):,} lost, "
        f"{compared.shared - len(flips):,} as before."
    )
    if not flips:
        st.info("Both gave the same share of right answers on every example.", icon=":material/check:")  # fmt: skip
        return
    options = [way for way in WAYS if ways[way]]
    way = st.segmented_control(
        "Flips", options, required=True, label_visibility="collapsed",
        format_func=lambda way: f"{WAYS[way]} ({len(ways[way]):,})",
        **bind_to_address("flips", options, options[0], drops=("example",)),
    )  # fmt: skip
    listed = ways[way]
    number = choose_page(len(listed), f"flips.{first.key}.{second.key}.{way}")
    for flip in listed[(number - 1) * ROWS_A_PAGE : number * ROWS_A_PAGE]:
        _show_flip(flip)
    chosen = st.query_params.get("example")
    opened = next((one for one in flips if one.example == chosen), None)
    if opened:
        show_beside(first, second, opened)


def _show_flip(flip: Flip) -> None:
    question, one, other, button = st.columns([2.6, 2, 2, 1.8], vertical_alignment="center")
    question.markdown(escape_markdown(flip.first.question, 110))
    for column, attempt, right in (
        (one, flip.first, flip.right_first),
        (other, flip.second, flip.right_second),
    ):
        sign = "✓" if right == 1 else "✕" if right == 0 else f"{right:.0%}"
        said = escape_markdown(attempt.answer, 60) or "no answer"
        column.markdown(f"{sign} {said}")
    button.button(
        "Side by side", key=f"flip.{flip.example}", icon=":material/compare:", width="stretch",
        on_click=_open, args=(flip.example,),
        type="primary" if st.query_params.get("example") == flip.example else "secondary",
    )  # fmt: skip


def _open(example: str) -> None:
    st.query_params["example"] = example


def show_beside(first: Side, second: Side, flip: Flip) -> None:
    """Both episodes of one example: what was read, written and answered."""
    with st.container(border=True, key="beside"):
        st.markdown(f"**{escape_markdown(flip.first.question, 200)}**")
        columns = st.columns(2, gap="medium")
        for column, side, attempt in zip(
            columns, (first, second), (flip.first, flip.second), strict=True
        ):
            with column:
                _show_one(side, attempt)


def _show_one(side: Side, attempt: Attempt) -> None:
    st.markdown(f"**{escape_markdown(label_side(side), 100)}**")
    episode = read_episode(side.run.id, attempt.episode)
    if episode is None:
        st.info("This episode is kept no longer.")
        return
    cause = cause_tag(attempt.cause) if attempt.cause else ""
    st.html(f'<div class="mf"><p>{escape_html(story.tell(episode))}</p>{cause}</div>')
    place = {
        "run": side.run.id, "phase": side.phase, "step": attempt.step, "episode": attempt.episode,
    }  # fmt: skip
    link_to_episode(place, "Open in the debugger", attempt.cause_seq)
    show_story(side.run, episode)
