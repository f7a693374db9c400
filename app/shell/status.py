"""A run's state, progress and time left; what to do where it went wrong."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

import streamlit as st

from app.markup.safe_text import escape_markdown
from app.reads.engine import database_engine
from app.shell.words import begin_upper
from memfactory_core.runs.queue import describe_wait
from memfactory_core.runs.tables import ACTIVE, Run
from memfactory_core.text import describe_duration

STATE_LOOKS: dict[str, tuple[str, Literal["gray", "blue", "orange", "green", "red"]]] = {
    "queued": (":material/schedule:", "gray"),
    "starting": (":material/hourglass_top:", "blue"),
    "running": (":material/play_circle:", "blue"),
    "stopping": (":material/hourglass_bottom:", "orange"),
    "finished": (":material/check_circle:", "green"),
    "stopped": (":material/stop_circle:", "orange"),
    "failed": (":material/error:", "red"),
    "lost": (":material/help:", "red"),
}
ADVICE = {
    "failed": "The log has the details. Change the setting that is named in Compose and start "
    "again; nothing of this run is lost.",
    "lost": "The process of this run is gone; what it had written is kept.",
}


def show_state(run: Run) -> None:
    """The run's state as word, icon and colour."""
    icon, colour = STATE_LOOKS.get(run.state, (":material/help:", "gray"))
    st.badge(run.state, icon=icon, color=colour)


def show_status(run: Run) -> None:
    """State, phase, progress and time left; the reason and what to do where it went wrong."""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        show_state(run)
        st.markdown(describe_progress(run), width="content")
        st.caption(escape_markdown(run.id), width="content")
    if run.state in ACTIVE and run.progress is not None:
        st.progress(min(1.0, run.progress), escape_markdown(run.phase, 80))
    elif run.state in ACTIVE and run.steps:
        st.progress(min(1.0, run.step / run.steps))
    if run.reason:
        st.error(escape_markdown(begin_upper(run.reason), 800), icon=":material/error:")
    if run.state in ("failed", "lost", "stopped"):
        st.caption(f"{ADVICE.get(run.state, '')} {describe_resume(run)}")


def describe_resume(run: Run) -> str:
    """What goes on with a run that has ended early; nothing where it left no checkpoint."""
    folder = Path(run.folder)
    places = ("checkpoints/checkpoint-*", "imitation/checkpoints/checkpoint-*", "imitation/policy")
    if run.mode in ("train", "imitate") and any(any(folder.glob(place)) for place in places):
        return f"`memfactory resume {run.id}` goes on from the last checkpoint."
    return ""


def describe_progress(run: Run) -> str:
    """Step, phase, time used and left; of a run in the queue, what it waits for."""
    parts = []
    wait = describe_wait(database_engine(), run)
    if wait:
        return escape_markdown(wait, 400)
    if run.steps:
        parts.append(f"step {run.step:,} of {run.steps:,}")
    if run.state in ACTIVE:
        share = "" if run.progress is None else f" {run.progress:.0%}"
        parts.append(
            f"{escape_markdown(run.phase, 80)}{share}" if run.phase else "waiting for its process"
        )
        if run.started:
            parts.append(f"{describe_duration(run.elapsed(time.time()))} so far")
        if run.eta:
            parts.append(f"about {describe_duration(max(1.0, run.eta))} left")
        elif run.steps and not run.step:
            parts.append("time left is known after the first steps")
    elif run.ended and run.mode != "imported":
        # in a narrow column a number and its unit stay together
        took = describe_duration(run.elapsed(run.ended)).replace(" ", "\u00a0")
        parts.append(f"took {took}")
    if run.fault:
        parts.append(escape_markdown(run.fault, 400))
    return " · ".join(parts)
