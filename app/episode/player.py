"""One episode, from its first section to its reward: its story with the cause of failure, moment by
moment, what if, tokens."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.episode import tokens, what_if
from app.markup.answers import answer_cards
from app.markup.banks import bank_card, needed_card
from app.markup.labels import cause_line, figures_row
from app.markup.moments import moment_card
from app.markup.safe_text import escape_html, escape_markdown, reveal_hidden
from app.markup.sections import section_cards
from app.reads.groups import find_group_and_cause
from app.shell.address import bind_to_address, set_address
from app.shell.pages import page
from app.shell.words import describe_share
from memfactory_core.explain import moments, story
from memfactory_core.runs.tables import Run
from memfactory_core.trace import Episode, replay

VIEWS = {
    "story": ":material/auto_stories: Story",
    "steps": ":material/play_circle: Step by step",
    "what-if": ":material/alt_route: What if",
    "tokens": ":material/token: Tokens",
}
SCORE_LABELS = {
    "exact_match": "Exact match",
    "stored": "Stored",
    "kept": "Kept",
    "rejected": "Rejected",
}
SECTIONS_A_PAGE = 30
"""Sections of an episode on one page."""
SECONDS_A_MOMENT = 1.6
"""Seconds that a moment is shown while playing."""


def show_episode(run: Run, phase: str, step: int, shown: Episode) -> None:
    """One episode in the view that the address bar names."""
    place = {"run": run.id, "phase": phase, "step": step, "episode": shown.id}
    scores = {
        label: describe_share(shown.scores[n])
        for n, label in SCORE_LABELS.items()
        if n in shown.scores
    }
    figures = {"Reward": f"{shown.reward:+.2f}", "Advantage": f"{shown.advantage:+.2f}"}
    earned = describe_reward(run.settings.get("reward", {}), shown)
    st.html(
        f'<div class="mf mf-story">{escape_html(story.tell(shown))}</div>'
        f"{figures_row(figures | scores)}"
        f'<div class="mf mf-small mf-muted">{escape_html(earned)}</div>'
    )
    _show_cause(run, shown, place)
    start = "steps" if "event" in st.query_params else "story"
    view = st.segmented_control(
        "View", list(VIEWS), format_func=VIEWS.get, required=True, label_visibility="collapsed",
        **bind_to_address("view", list(VIEWS), start),
    )  # fmt: skip
    if view == "steps":
        show_moments(run, shown, place)
    elif view == "what-if":
        what_if.show_what_if(run, phase, shown)
    elif view == "tokens":
        tokens.show_tokens(run, shown)
    else:
        _show_story(run, shown)


def _show_cause(run: Run, shown: Episode, place: dict[str, Any]) -> None:
    found = find_group_and_cause(run.id, shown.id)
    if found is None or found[1] is None:
        return
    _, cause, seq = found
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.html(cause_line(cause), width="content")
        if seq is not None:
            st.button(
                "Go to the event", icon=":material/my_location:", type="tertiary", on_click=set_address,
                kwargs=place | {"view": "steps", "event": seq},
            )  # fmt: skip


def _show_story(run: Run, shown: Episode) -> None:
    told = story.sections(shown.example, shown.events)
    start = 0
    if len(told) > SECTIONS_A_PAGE:
        number = st.pagination(-(-len(told) // SECTIONS_A_PAGE), key=f"sections.{shown.id}")
        start = (number - 1) * SECTIONS_A_PAGE
    budget = run.settings.get("paradigm", {}).get("store", {}).get("budget")
    st.html(section_cards(shown.example, told[start : start + SECTIONS_A_PAGE], budget))
    st.html(answer_cards(shown))
    with st.expander("Raw messages of each turn"):
        _show_messages(shown)


def show_moments(run: Run, shown: Episode, place: dict[str, Any]) -> None:
    """Moment by moment: the bank beside the needed facts. The address bar holds the event."""
    told = moments.moments(shown)
    if not told:
        st.info("Nothing happened in this episode.")
        return
    key = f"playing.{shown.id}"
    playing = st.session_state.get(key) is not None

    @st.fragment(run_every=SECONDS_A_MOMENT if playing else None)
    def one_moment() -> None:
        at = st.session_state.get(key)
        if at is None:
            at = moments.find(told, _chosen_event())
        elif st.session_state.pop(f"{key}.new", False) is False:
            at = min(at + 1, len(told) - 1)
            st.session_state[key] = at
        _show_controls(told, at, key, place)
        _show_moment(shown, told, at, place)
        if playing and at == len(told) - 1:
            _stop_playing(key, told, place)
            st.rerun()

    one_moment()


def _chosen_event() -> int | None:
    given = st.query_params.get("event", "")
    return int(given) if given.isdecimal() else None


def _go_to_moment(told: list[moments.Moment], at: int, place: dict[str, Any]) -> None:
    set_address(**place, view="steps", event=told[max(0, min(at, len(told) - 1))].decides)


def _stop_playing(key: str, told: list[moments.Moment], place: dict[str, Any]) -> None:
    at = st.session_state.pop(key, None)
    if at is not None:
        _go_to_moment(told, at, place)


def _show_controls(told: list[moments.Moment], at: int, key: str, place: dict[str, Any]) -> None:
    playing = st.session_state.get(key) is not None
    st.session_state["moment"] = at + 1

    def moved() -> None:
        st.session_state.pop(key, None)
        _go_to_moment(told, st.session_state["moment"] - 1, place)

    back, on, forth, slide = st.columns(
        [1.3, 1.1, 1.1, 4], gap="small", vertical_alignment="bottom"
    )
    still = {"width": "stretch", "disabled": playing}
    back.button(
        "Previous", icon=":material/skip_previous:", on_click=_go_to_moment, args=(told, at - 1, place),
        **(still | {"disabled": playing or at == 0}),
    )  # fmt: skip
    if playing:
        if on.button("Pause", icon=":material/pause:", width="stretch"):
            _stop_playing(key, told, place)
            st.rerun()
    elif on.button("Play", icon=":material/play_arrow:", width="stretch"):
        st.session_state[key] = 0 if at == len(told) - 1 else at
        st.session_state[f"{key}.new"] = True
        st.rerun()
    forth.button(
        "Next", icon=":material/skip_next:", on_click=_go_to_moment, args=(told, at + 1, place),
        **(still | {"disabled": playing or at == len(told) - 1}),
    )  # fmt: skip
    title = f"Moment {at + 1} of {len(told)} · {escape_markdown(told[at].title, 80)}"
    if len(told) > 1:
        slide.slider(title, 1, len(told), key="moment", on_change=moved, disabled=playing)
    else:
        slide.caption(title)


def _show_moment(
    shown: Episode, told: list[moments.Moment], at: int, place: dict[str, Any]
) -> None:
    moment = told[at]
    start = moment.events[0].seq
    before, bank = replay(shown.events, start), replay(shown.events, moment.end)
    needed, chosen = shown.example.needed, _chosen_event()
    here = chosen if chosen is not None and start <= chosen < moment.end else moment.decides
    left, right = st.columns([1.35, 1], gap="medium")
    with left:
        st.html(moment_card(moment, shown, needed, here))
        if at == len(told) - 1:
            st.html(answer_cards(shown))
        with st.container(horizontal=True):
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


def describe_reward(weights: dict[str, float], shown: Episode) -> str:
    """The reward as the sum that it is."""
    parts = [
        f"{abs(weight):g} × {name.replace('_', ' ')} {shown.scores.get(name, 0.0):.2g}"
        for name, weight in weights.items()
    ]
    signs = ["" if i == 0 else "+ " for i in range(len(parts))]
    signs = ["− " if w < 0 else s for w, s in zip(weights.values(), signs, strict=True)]
    return f"Reward = {' '.join(s + part for s, part in zip(signs, parts, strict=True))}"


def _show_messages(shown: Episode) -> None:
    for i, turn in enumerate(shown.turns[:SECTIONS_A_PAGE]):
        ended = "by itself" if turn.completion.finish_reason == "stop" else "at the length limit"
        st.markdown(f"**Turn {i + 1}** · {escape_markdown(turn.role, 60)} · ended {ended}")
        for message in turn.messages:
            st.caption(escape_markdown(message["role"], 60))
            st.code(reveal_hidden(message["content"]), language=None, wrap_lines=True)
        st.caption("written by the policy")
        said = reveal_hidden(turn.completion.text) or " "
        st.code(said, language=None, wrap_lines=True)
    whole, name = shown.model_dump_json(indent=1), f"episode-{shown.id}.json"
    st.download_button("Download the whole episode as JSON", whole, name, "application/json")
