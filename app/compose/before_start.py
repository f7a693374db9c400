"""Before Start: what the run would take and on what that rests, what is looked at with its reason, and one episode
played with the policy as it would begin."""

from __future__ import annotations

import json
import secrets
import time
from pathlib import Path

import streamlit as st

from app.chat.agents import samplers
from app.episode.story import show_story
from app.episode.view import show_earnings
from app.markup.safe_text import escape_markdown
from app.reads.engine import database_engine
from app.shell.widgets import errors_in_words
from app.shell.words import begin_upper
from memfactory_core.assembly.rehearsal import PLAYED, rehearse
from memfactory_core.config import RunConfig, build
from memfactory_core.runs.agents import Agent
from memfactory_core.runs.checks import Check, carry_out, name_checks
from memfactory_core.runs.footprint import foresee
from memfactory_core.runs.forecast import forecast
from memfactory_core.runs.tables import Run
from memfactory_core.runs.weights import role_weights, start_weights
from memfactory_core.trace import Episode

READ = {"task", "evaluation", "training", "reranking", "mode", "seed", "weights", "weights_step"}
"""Groups of settings that decide what is read from the data files."""
EPISODE = "compose.episode"
"""In the session: the episode that the dialog shows, and the seconds that it took."""
LOOKED_AT_AGAIN = 300
"""Seconds after which files that did not change are read again."""


def show_checks(config: RunConfig) -> bool:
    """Time, memory and disk with their basis, then each check; whether the run can start."""
    engine = database_engine()
    st.caption(
        f":material/timer: {escape_markdown(begin_upper(forecast(engine, config).in_words()), 400)}"
    )
    if config.mode in PLAYED:
        told = foresee(engine, config).in_words()
        st.caption(f":material/hard_drive: {escape_markdown(begin_upper(told), 400)}")
    checks = [_look(name, config) for name in name_checks(config)]
    for check in checks:
        if not check.passed:
            st.error(
                f"**{check.name}:** {escape_markdown(check.told, 800)}", icon=":material/error:"
            )
    fine = [f"**{c.name}:** {escape_markdown(c.told, 300)}" for c in checks if c.passed]
    for told in fine:
        st.caption(f":material/check: {told}")
    return len(fine) == len(checks)


def _look(name: str, config: RunConfig) -> Check:
    if name != "Data":
        return carry_out(name, database_engine(), config)
    files = [Path(file) for file in {*config.task.files(), *config.held_out.files()} if file]
    stamps = tuple((str(f), f.stat().st_mtime_ns) for f in sorted(files) if f.is_file())
    return _look_at_data(config.model_dump_json(include=READ), stamps, config)


@st.cache_data(ttl=LOOKED_AT_AGAIN, max_entries=32, show_spinner="Reading the data")
def _look_at_data(asked: str, stamps: tuple[tuple[str, int], ...], _config: RunConfig) -> Check:
    """Kept while neither the settings nor the files change: reading them takes a while."""
    return carry_out("Data", database_engine(), _config)


def offer_episode(config: RunConfig, ready: bool) -> None:
    """The button that plays one episode and shows it; grey where the run could not start either."""
    if config.mode in PLAYED and st.button(
        "Play one episode now", icon=":material/smart_display:", width="stretch", key="compose.play",
        disabled=not ready, on_click=_ask_for_episode,
        help="One example, the policy as it would begin; no run is made. memfactory play",
    ):  # fmt: skip
        _show_episode(config.model_dump_json())


def _ask_for_episode() -> None:
    """The dialog plays one when it is drawn next."""
    st.session_state.pop(EPISODE, None)


def _play(config: RunConfig) -> tuple[Episode, float]:
    """An episode of a random example, and how many seconds it took, the loading aside."""
    engine = database_engine()
    weights = start_weights(engine, config)
    with st.spinner("The policy is loaded and plays"):
        sampler = samplers.get(Agent("", config, weights, role_weights(engine, config, None)))
        began = time.monotonic()
        episode = rehearse(config, sampler, secrets.randbelow(1_000_000))
    return episode, time.monotonic() - began


@st.dialog("One episode before the start", width="large")
def _show_episode(settings: str) -> None:
    """An episode in the view that a run's episodes have; the same one until another is asked for, whatever else in the
    dialog draws it again."""
    with errors_in_words():
        config = build(json.loads(settings))
        if EPISODE not in st.session_state:
            st.session_state[EPISODE] = _play(config)
        episode, seconds = st.session_state[EPISODE]
        st.caption(
            f"Played in {seconds:.2g} s with the policy as it would begin"
            f"{', drawn as in training' if config.mode == 'train' else ', greedily'}; nothing is kept."
        )
        st.button(
            "Play another", icon=":material/refresh:", key="compose.play.another",
            on_click=_ask_for_episode,
        )  # fmt: skip
        show_earnings(config.dump()["reward"], episode, {})
        shown = Run(
            id="before-start", name=config.name, mode=config.mode, state="queued", folder="", token="",
            config=settings, created=0.0,
        )  # fmt: skip
        show_story(shown, episode)
