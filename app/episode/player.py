"""An episode moment by moment: the bank beside the needed facts."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.markup.answers import answer_cards
from app.markup.banks import bank_card, needed_card
from app.markup.moments import moment_card
from app.markup.safe_text import escape_markdown
from app.shell.address import set_address
from app.shell.pages import page
from memfactory_core.explain import moments
from memfactory_core.explain.inventions import find_inventions
from memfactory_core.runs.tables import Run
from memfactory_core.trace import Episode, replay

SECONDS_A_MOMENT = 1.6
"""Seconds that a moment is shown while playing."""


def show_moments(run: Run, shown: Episode, place: dict[str, Any]) -> None:
    """Moment by moment: the bank beside the needed facts. The address bar holds the event."""
    timeline = moments.moments(shown)
    if not timeline:
        st.info("Nothing happened in this episode.")
        return
    key = f"playing.{shown.id}"
    playing = st.session_state.get(key) is not None

    @st.fragment(run_every=SECONDS_A_MOMENT if playing else None)
    def one_moment() -> None:
        at = st.session_state.get(key)
        if at is None:
            at = moments.find(timeline, _chosen_event())
        elif st.session_state.pop(f"{key}.new", False) is False:
            at = min(at + 1, len(timeline) - 1)
            st.session_state[key] = at
        _show_controls(timeline, at, key, place)
        _show_moment(shown, timeline, at, place)
        if playing and at == len(timeline) - 1:
            _stop_playing(key, timeline, place)
            st.rerun()

    one_moment()


def _chosen_event() -> int | None:
    given = st.query_params.get("event", "")
    return int(given) if given.isdecimal() else None


def _go_to_moment(timeline: list[moments.Moment], at: int, place: dict[str, Any]) -> None:
    set_address(**place, view="steps", event=timeline[max(0, min(at, len(timeline) - 1))].decides)


def _stop_playing(key: str, timeline: list[moments.Moment], place: dict[str, Any]) -> None:
    at = st.session_state.pop(key, None)
    if at is not None:
        _go_to_moment(timeline, at, place)


def _show_controls(
    timeline: list[moments.Moment], at: int, key: str, place: dict[str, Any]
) -> None:
    playing = st.session_state.get(key) is not None
    st.session_state["moment"] = at + 1

    def moved() -> None:
        st.session_state.pop(key, None)
        _go_to_moment(timeline, st.session_state["moment"] - 1, place)

    # beside each other where there is room, the slider else below the buttons
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="moments")
    row.button(
        "Previous", icon=":material/skip_previous:", on_click=_go_to_moment, args=(timeline, at - 1, place),
        disabled=playing or at == 0,
    )  # fmt: skip
    if playing:
        if row.button("Pause", icon=":material/pause:"):
            _stop_playing(key, timeline, place)
            st.rerun()
    elif row.button("Play", icon=":material/play_arrow:"):
        st.session_state[key] = 0 if at == len(timeline) - 1 else at
        st.session_state[f"{key}.new"] = True
        st.rerun()
    row.button(
        "Next", icon=":material/skip_next:", on_click=_go_to_moment, args=(timeline, at + 1, place),
        disabled=playing or at == len(timeline) - 1,
    )  # fmt: skip
    title = f"Moment {at + 1} of {len(timeline)} · {escape_markdown(timeline[at].title, 80)}"
    if len(timeline) > 1:
        row.slider(title, 1, len(timeline), key="moment", on_change=moved, disabled=playing)
    else:
        row.caption(title)


def _show_moment(
    shown: Episode, timeline: list[moments.Moment], at: int, place: dict[str, Any]
) -> None:
    moment = timeline[at]
    start = moment.events[0].seq
    before, bank = replay(shown.events, start), replay(shown.events, moment.end)
    needed, chosen = shown.example.needed, _chosen_event()
    here = chosen if chosen is not None and start <= chosen < moment.end else moment.decides
    left, right = st.columns([1.35, 1], gap="medium")
    with left:
        st.html(
            moment_card(moment, shown, needed, here, find_inventions(shown.example, shown.events))
        )
        if at == len(timeline) - 1:
            st.html(answer_cards(shown))
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button("What if it had not?", icon=":material/alt_route:"):
                set_address(**place, view="what-if", event=here)
                st.rerun()
            st.page_link(
                page("memory"), label="Query this bank", icon=":material/database:",
                query_params={k: str(v) for k, v in (place | {"event": here}).items()},
            )  # fmt: skip
    with right:
        st.html(needed_card(moments.needed_at(shown, moment.end)))
        st.html(bank_card(bank, before, needed))
