"""One episode, from its first section to its reward, in the view that the address bar names."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.episode import tokens
from app.episode.player import show_moments
from app.episode.story import show_story
from app.episode.what_if import show_what_if
from app.markup.labels import cause_line, figures_row
from app.markup.safe_text import escape_html
from app.reads.groups import find_group_and_cause
from app.shell.address import bind_to_address, set_address
from app.shell.words import describe_share
from memfactory_core.explain import story
from memfactory_core.rewards import weight_of
from memfactory_core.rewards.shown import Shown
from memfactory_core.runs.tables import Run
from memfactory_core.trace import Episode

VIEWS = {
    "story": ":material/auto_stories: Story",
    "steps": ":material/play_circle: Step by step",
    "what-if": ":material/alt_route: What if",
    "tokens": ":material/token: Tokens",
}


def show_episode(run: Run, phase: str, step: int, shown: Episode) -> None:
    """One episode in the view that the address bar names."""
    place = {"run": run.id, "phase": phase, "step": step, "episode": shown.id}
    more = {"Advantage": f"{shown.advantage:+.2f}"} if phase == "train" else {}
    show_earnings(run.settings.get("reward", {}), shown, more)
    _show_cause(run, shown, place)
    start = "steps" if "event" in st.query_params else "story"
    view = st.segmented_control(
        "View", list(VIEWS), format_func=VIEWS.__getitem__, required=True, label_visibility="collapsed",
        **bind_to_address("view", list(VIEWS), start),
    )  # fmt: skip
    if view == "steps":
        show_moments(run, shown, place)
    elif view == "what-if":
        show_what_if(run, phase, step, shown)
    elif view == "tokens":
        tokens.show_tokens(run, shown)
    else:
        show_story(run, shown, step if phase == "train" else 0)


def show_earnings(table: dict[str, Any], shown: Episode, more: dict[str, str]) -> None:
    """What happened in a sentence and what it earned by the reward's table, nothing where that is empty; `more` are
    figures beside it."""
    earned = {"Reward": f"{shown.reward:+.2f}"} if table else {}
    figures = {**earned, **more} | _score_figures(table, shown)
    st.html(
        f'<div class="mf mf-story">{escape_html(story.tell(shown))}</div>{figures_row(figures)}'
        f'<div class="mf mf-small mf-muted">{escape_html(describe_reward(table, shown))}</div>'
    )


def _show_cause(run: Run, shown: Episode, place: dict[str, Any]) -> None:
    found = find_group_and_cause(run.id, shown.id)
    if found is None:
        return
    _, cause, seq = found
    if cause is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.html(cause_line(cause), width="content")
        if seq is not None:
            st.button(
                "Go to the event", icon=":material/my_location:", type="tertiary", on_click=set_address,
                kwargs=place | {"view": "steps", "event": seq},
            )  # fmt: skip


def _score_figures(table: dict[str, Any], shown: Episode) -> dict[str, str]:
    """The scores that count in the reward, and those that every episode is told by."""
    looks = Shown(table)
    names = [name for name, part in looks.parts.items() if part.headline]
    return {
        looks.title(name): describe_share(value) if looks.is_share(name) else f"{value:.3g}"
        for name in looks.in_order([*names, *table])
        if (value := shown.scores.get(name)) is not None
    }


def describe_reward(table: dict[str, Any], shown: Episode) -> str:
    """The reward as the sum that it is; "" of an empty table."""
    if not table:
        return ""
    weights = {name: weight_of(entry) for name, entry in table.items()}
    parts = [
        f"{abs(weight):g} × {name.replace('_', ' ')} {shown.scores.get(name, 0.0):.2g}"
        for name, weight in weights.items()
    ]
    signs = ["" if i == 0 else "+ " for i in range(len(parts))]
    signs = ["− " if w < 0 else s for w, s in zip(weights.values(), signs, strict=True)]
    return f"Reward = {' '.join(s + part for s, part in zip(signs, parts, strict=True))}"
